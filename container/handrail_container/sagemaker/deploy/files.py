"""The files of a model directory: which are deployed, and the digest that identifies a version."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from handrail_container.process.exits import SettingsError
from handrail_container.sagemaker.deploy.deployment import FILE

#: Names that are not deployed. Nor are names that start with a dot: caches, and secrets such as `.env`.
LEFT_OUT = frozenset({FILE, "__pycache__"})


@dataclass(frozen=True)
class File:
    """A file to deploy. `name` is its path relative to the directory, with slashes."""

    path: Path
    name: str
    size: int
    sha256: str


def scan(directory: Path) -> list[File]:
    """The files of a directory to deploy, sorted by path. Raises SettingsError if it cannot be read."""
    if not directory.is_dir():
        raise SettingsError(f"DIR is {str(directory)!r}: there is no such directory. Give the model directory.")
    try:
        return [_file(directory, path) for path in sorted(_paths(directory))]
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}") from None


def _paths(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if _is_deployed(name)]
        yield from (Path(folder, name) for name in names if _is_deployed(name))


def _is_deployed(name: str) -> bool:
    return not name.startswith(".") and name not in LEFT_OUT


def _file(directory: Path, path: Path) -> File:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return File(path, path.relative_to(directory).as_posix(), path.stat().st_size, digest)


def version(files: Iterable[File]) -> str:
    """A digest of the files' names and contents."""
    lines = "".join(f"{file.sha256}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()[:12]
