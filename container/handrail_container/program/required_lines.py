"""Reads the requirements of a model directory, line by line, from `requirements.txt` and `config.yaml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handrail.core.errors import ScriptMissing
from handrail.core.script import find_script
from handrail.styles.inference_toolkit.files import locate
from handrail.styles.truss.config import TrussConfig

from handrail_container.program.config_yaml import find_config
from handrail_container.program.styles import toolkit_surroundings
from handrail_container.settings.fields import Settings

_FILE = "requirements.txt"
_PROJECT = "pyproject.toml"
_LOCK = "uv.lock"


@dataclass(frozen=True)
class Line:
    """One requirement. `text` is in pip's form; `number` is its line in the file `path`."""

    text: str
    path: Path
    number: int | None

    @property
    def where(self) -> str:
        return str(self.path) if self.number is None else f"{self.path}:{self.number}"

    def __str__(self) -> str:
        return f"{Path(self.where).name}: {self.text}"


@dataclass(frozen=True)
class Required:
    """All requirements. `files` are in pip's own format; `listed` are lines from files of other formats; `problems` are
    sentences on what cannot be read."""

    files: tuple[Path, ...] = ()
    listed: tuple[Line, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Required) -> Required:
        """The union. A file named by both counts once."""
        known = {file.resolve() for file in self.files}
        files = (*self.files, *(file for file in other.files if file.resolve() not in known))
        listed, problems = (*self.listed, *other.listed), (*self.problems, *other.problems)
        return Required(files, listed, problems, (*self.warnings, *other.warnings))


def required(settings: Settings) -> Required:
    """The requirements of the file beside the script, of that beside a script for SageMaker's inference toolkit, and
    of a Truss's `requirements` and `requirements_file`."""
    found = _of_folder(_beside_script(settings)) + _of_toolkit(settings)
    config = find_config(settings.model_path)
    if not isinstance(config, TrussConfig):  # an unreadable file is reported when the script is loaded
        return found
    return found + _of_list(config) + _of_named_file(config)


def lines_of(file: Path) -> tuple[tuple[Line, ...], str | None]:
    """The file's lines, or a sentence on why it cannot be read."""
    try:
        return tuple(_lines(file.read_text(encoding="utf-8-sig"), file)), None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        return (), f"{file} cannot be read: {error}"


def _beside_script(settings: Settings) -> Path:
    try:
        script = find_script(settings.model_path, settings.script_filename)
    except ScriptMissing:  # reported when the script is loaded
        script = None
    return script.parent if script is not None else settings.model_path


def _of_folder(folder: Path) -> Required:
    path = folder / _FILE
    return Required((path,)) if path.is_file() else Required()


def _of_toolkit(settings: Settings) -> Required:
    script = locate(settings.model_path, toolkit_surroundings(settings))
    return _of_folder(script.parent) if script is not None else Required()


def _lines(text: str, path: Path) -> Iterator[Line]:
    """The requirements in `text`: comments dropped, and continued lines joined under the number of the first."""
    number = 1
    for line in re.split(r"(?<!\\)\n", text):
        content = _content(line)
        if content:
            yield Line(content, path, number)
        number += line.count("\n") + 1


def _content(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line.replace("\\\n", " ")).strip()


def _of_list(config: TrussConfig) -> Required:
    given = config.value("requirements")
    if given is None:
        return Required()
    wrong = f"{config.where('requirements')} requirements is {given!r}: write a list, each on a line of its own, as "
    if not isinstance(given, list):
        return Required(problems=(f"{wrong}`- humanize==4.9.0`",))
    lines: list[Line] = []
    problems: list[str] = []
    for number, item in enumerate(given):
        place = config.lines.get(f"requirements.{number}")
        if isinstance(item, str):
            lines += (Line(one.text, config.path, place) for one in _lines(item, config.path))
        else:
            where = Line("", config.path, place).where
            problems.append(f"{where} requirements has {item!r}: write text, as `- humanize==4.9.0`")
    return Required(listed=tuple(lines), problems=tuple(problems))


def _of_named_file(config: TrussConfig) -> Required:
    """The requirements of `requirements_file`, which may also be a `pyproject.toml` or `uv.lock`, as in Truss."""
    given = config.value("requirements_file")
    if given is None or given == "":
        return Required()
    said = f"{config.where('requirements_file')} requirements_file is {given!r}"
    if not isinstance(given, str):
        return Required(problems=(f"{said}: write the file's path, as `requirements_file: {_FILE}`",))
    path = config.folder / given
    if path.name == _LOCK:
        return _of_project(path.with_name(_PROJECT), said) + Required(warnings=(_unlocked(said, path),))
    if path.name == _PROJECT:
        return _of_project(path, said)
    if not path.is_file():
        return Required(problems=(f"{said}, and there is no file {path}: put it there, or leave the field out",))
    return Required((path,))


def _unlocked(said: str, path: Path) -> str:
    return (
        f"{said}: what {path.with_name(_PROJECT)} asks for is installed, in versions that pip chooses. For those of "
        f"the lock, name a file that `uv export --format requirements-txt` has written"
    )


def _of_project(path: Path, said: str) -> Required:
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = tomllib.loads(text).get("project", {}).get("dependencies", [])
        lines = [Line(one.strip(), path, _number(one, text)) for one in found]
    except (OSError, ValueError, AttributeError, TypeError) as error:  # no TOML, no text, or not in PEP 621's form
        return Required(problems=(f"{said}, and the dependencies of {path} cannot be read: {error}",))
    return Required(listed=tuple(lines))


def _number(requirement: str, text: str) -> int | None:
    """The line of a requirement; None if the file spells it differently, for example with escapes."""
    before, found, _ = text.partition(requirement)
    return before.count("\n") + 1 if found else None
