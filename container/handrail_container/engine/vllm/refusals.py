"""What vLLM says of a flag, told of the variable that was set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pydantic import ValidationError

from handrail_container.engine.vllm.root_cause import said
from handrail_container.settings.vllm_flags import OPTION, PREFIX

#: What argparse and vLLM write before the complaint itself.
_BEFORE = re.compile(r"^(argument [^:]*|Error): ")
#: An address of pydantic's, and what vLLM calls the function that reads JSON.
_NOISE = re.compile(r"\s*For further information visit \S+")
_JSON = re.compile(r"<function loads at 0x\w+>")
#: A value of this length is quoted whole; of a longer one its beginning says which it was.
_QUOTED = 200


def refused(flags: Mapping[str, str], names: Iterable[str], error: BaseException) -> str:
    """One sentence; `names` are those flags that are to blame, none where nobody knows."""
    to_blame = " with ".join(f"{PREFIX}{name}={_quoted(flags[name])}" for name in names)
    return f"{f'{to_blame} is refused by vLLM' if to_blame else 'vLLM refuses these flags'}: {_complaint(error)}"


def blamed(flags: Mapping[str, str], passes: Callable[[Mapping[str, str]], bool]) -> list[str]:
    """Those without any one of which the others pass: what is wrong by itself, or does not go with another."""
    return [name for name in flags if passes({other: flags[other] for other in flags if other != name})]


def mentioned(flags: Mapping[str, str], error: BaseException) -> list[str]:
    """The flags that the reason names: as flags, or by names of several words, which are no words of a sentence."""
    words = set(re.findall(r"\w+", _complaint(error).upper()))
    return [name for name in flags if f"{PREFIX}{name}" in words or ("_" in name and name in words)]


def _complaint(error: BaseException) -> str:
    text = said(error) if isinstance(error, ValidationError) else str(error) or type(error).__name__
    return _NOISE.sub("", _JSON.sub("JSON", _in_variables(_BEFORE.sub("", text))))


def _in_variables(message: str) -> str:
    """With each `--flag` as the variable that was set, on one line."""
    named = OPTION.sub(lambda found: PREFIX + found[1].replace("-", "_").upper(), message)
    return " ".join(named.split())


def _quoted(value: str) -> str:
    return repr(value) if len(value) <= _QUOTED else f"{value[:_QUOTED]!r}…"
