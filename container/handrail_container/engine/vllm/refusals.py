"""Turns vLLM's complaint about a flag into a message about the variable that sets it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pydantic import ValidationError

from handrail_container.engine.vllm.root_cause import in_one_line
from handrail_container.settings.vllm_flags import OPTION, PREFIX

#: The text of argparse and vLLM before the complaint itself.
_BEFORE = re.compile(r"^(argument [^:]*|Error): ")
#: A URL of pydantic's, and vLLM's name for the function that parses JSON.
_NOISE = re.compile(r"\s*For further information visit \S+")
_JSON = re.compile(r"<function loads at 0x\w+>")
#: Characters. A longer value is quoted by its beginning only.
_QUOTED = 200


def refused(flags: Mapping[str, str], names: Iterable[str], error: BaseException) -> str:
    """One sentence about the refused flags. `names` are the flags at fault; empty if unknown."""
    to_blame = " with ".join(f"{PREFIX}{name}={_quoted(flags[name])}" for name in names)
    return f"{f'{to_blame} is refused by vLLM' if to_blame else 'vLLM refuses these flags'}: {_complaint(error)}"


def flags_at_fault(flags: Mapping[str, str], passes: Callable[[Mapping[str, str]], bool]) -> list[str]:
    """Each flag without which the others pass: it is wrong by itself, or conflicts with another."""
    return [name for name in flags if passes({other: flags[other] for other in flags if other != name})]


def flags_in_message(flags: Mapping[str, str], error: BaseException) -> list[str]:
    """The flags that the error names: as variables, or by a name with an underscore, which is no ordinary word."""
    words = set(re.findall(r"\w+", _complaint(error).upper()))
    return [name for name in flags if f"{PREFIX}{name}" in words or ("_" in name and name in words)]


def _complaint(error: BaseException) -> str:
    text = in_one_line(error) if isinstance(error, ValidationError) else str(error) or type(error).__name__
    return _NOISE.sub("", _JSON.sub("JSON", _in_variables(_BEFORE.sub("", text))))


def _in_variables(message: str) -> str:
    """The message on one line, with each `--flag` replaced by its variable."""
    named = OPTION.sub(lambda found: PREFIX + found[1].replace("-", "_").upper(), message)
    return " ".join(named.split())


def _quoted(value: str) -> str:
    return repr(value) if len(value) <= _QUOTED else f"{value[:_QUOTED]!r}…"
