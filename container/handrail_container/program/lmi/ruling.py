"""What is decided on one key of LMI's, and the rules that many keys have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from handrail.core.redaction import MASK, is_secret

from handrail_container.program.config_field import Outcome

PREFIX = "SM_VLLM_"
#: A whole number from 1 on.
NUMBER = re.compile(r"0*[1-9][0-9]{0,17}")
#: Characters of a value that are shown.
_SHOWN = 200
#: False switches these flags off; vLLM has them on where nobody says.
_ON = frozenset({"ENABLE_PREFIX_CACHING", "ENABLE_CHUNKED_PREFILL", "ASYNC_SCHEDULING"})


@dataclass(frozen=True)
class Ruling:
    """`flags` are `SM_VLLM_*` variables; `inputs` choose the form of answers to `{"inputs": …}`."""

    outcome: Outcome
    note: str
    flags: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    is_warned: bool = False


@dataclass(frozen=True)
class Place:
    """Where a configuration is read: the model directory, its script's name, the number of this machine's GPUs, and the
    values of all keys."""

    folder: Path
    script: str
    gpus: int
    values: Mapping[str, str]


Rule = Callable[[str, Place], Ruling]


def mapped(flags: Mapping[str, str]) -> Ruling:
    variables = {f"{PREFIX}{flag}": value for flag, value in flags.items()}
    shown = (f"{name}={MASK if is_secret(name) else _beginning(value)}" for name, value in variables.items())
    return Ruling(Outcome.MAPPED, ", ".join(shown), variables)


def passed_on(flag: str, value: str) -> Ruling:
    """vLLM's own flag."""
    return mapped({f"NO_{flag}": "true"} if flag in _ON and value.lower() == "false" else {flag: value})


def used(note: str, **inputs: str) -> Ruling:
    return Ruling(Outcome.USED, note, inputs=inputs)


def ignored(note: str, *, is_warned: bool = False) -> Ruling:
    return Ruling(Outcome.IGNORED, note, is_warned=is_warned)


def refused(value: str, instead: str) -> Ruling:
    return Ruling(Outcome.REFUSED, f"{_beginning(value)!r} {instead}")


def _beginning(value: str) -> str:
    """What of a value is shown: one line, of a template as of a number."""
    line = value.replace("\n", "\\n")
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def reason(note: str) -> Rule:
    """The key is ignored, whatever its value."""
    return lambda value, place: ignored(note)


def renamed(flag: str) -> Rule:
    return lambda value, place: passed_on(flag, value)


def number(flag: str, instead: str = "write one") -> Rule:
    """A whole number from 1 on becomes the flag's value."""

    def rule(value: str, place: Place) -> Ruling:
        if not NUMBER.fullmatch(value):
            return refused(value, f"is no whole number from 1 on: {instead}")
        return mapped({flag: value})

    return rule


def switch(on: Ruling, off: Ruling) -> Rule:
    def rule(value: str, place: Place) -> Ruling:
        lower = value.lower()
        return {"true": on, "false": off}.get(lower) or refused(value, "is neither true nor false: write one of them")

    return rule


def one_of(choices: Mapping[str, Ruling], instead: str) -> Rule:
    """The ruling of the value, in any case; another value is refused, with `instead`."""
    return lambda value, place: choices.get(value.lower()) or refused(value, instead)
