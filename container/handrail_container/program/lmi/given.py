"""Collects what is set: the lines of `serving.properties`, then the environment's variables, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from handrail_container.program.lmi import java_properties
from handrail_container.program.lmi.java_properties import MalformedProperties
from handrail_container.settings import lmi_variables as lmi

FILE = "serving.properties"
OPTION = "option."
#: A setting of ours, but for the addresses that only LMI has.
_MODEL = "HF_MODEL_ID"
_NOT_OURS = ("s3://", "djl://")


class UnreadableProperties(Exception):
    """A sentence on the file, with its line."""


@dataclass(frozen=True)
class Given:
    """A key of LMI's with its value. `name` is what the operator wrote: the key, or a variable; `where` is the line of
    the file, empty for a variable; `stands_in` marks a variable that counts where its option is not set."""

    key: str
    value: str
    name: str
    where: str = ""
    stands_in: bool = False

    @property
    def label(self) -> str:
        return f"{self.where} {self.name}".lstrip()

    @property
    def source(self) -> tuple[bool, bool]:
        """Equal for keys that nothing ranks among each other."""
        return bool(self.where), self.stands_in


def collect(folder: Path, environment: Mapping[str, str]) -> list[Given]:
    """Raises UnreadableProperties."""
    path = folder / FILE
    of_file = _of_file(path) if path.is_file() else []
    return [*of_file, *_of_environment({n: v for n, v in environment.items() if v}, is_lmi=bool(of_file))]


def script_options(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The options by their names, as a script for LMI asks for them. A file that cannot be read is refused with the
    engine's flags, and has none."""
    try:
        given = collect(folder, environment)
    except UnreadableProperties:
        return {}
    options = [one for one in reversed(given) if one.key.startswith(OPTION)]  # the first has the last word
    return {one.key.removeprefix(OPTION): one.value for one in options}


def _of_file(path: Path) -> list[Given]:
    try:
        properties = java_properties.parse(path.read_text(encoding="utf-8-sig"))
    except MalformedProperties as error:
        raise UnreadableProperties(f"{path}:{error.line} {error}") from None
    except (OSError, ValueError) as error:  # not UTF-8
        raise UnreadableProperties(f"{path} cannot be read: {error}") from None
    lines: dict[str, int] = {}
    for one in properties:
        if one.key in lines:
            raise UnreadableProperties(f"{path}:{one.line} {one.key} is in line {lines[one.key]} too: keep one")
        lines[one.key] = one.line
    return [Given(one.key, one.value, one.key, f"{path}:{one.line}") for one in properties]


def _of_environment(environment: Mapping[str, str], *, is_lmi: bool) -> Iterator[Given]:
    for name in sorted(environment):
        if name.startswith(lmi.OPTION):
            key = name.removeprefix(lmi.OPTION).lower()
            yield Given(OPTION + ("entryPoint" if key == "entrypoint" else key), environment[name], name)
        elif name.startswith(lmi.SERVER):
            yield Given(name.removeprefix(lmi.SERVER).lower(), environment[name], name)
    others = lmi.ALWAYS | (lmi.BESIDE_OTHERS if is_lmi or lmi.say_lmi(environment) else {})
    for name, key in others.items():
        if name in environment:
            yield Given(key, environment[name], name, stands_in=True)
    if environment.get(_MODEL, "").startswith(_NOT_OURS):
        yield Given("option.model_id", environment[_MODEL], _MODEL, stands_in=True)
