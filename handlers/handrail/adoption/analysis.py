"""Python files that are read together: their scopes, and what is asked of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from handrail.adoption.commands import variables
from handrail.adoption.objects import Objects
from handrail.adoption.scopes import SourceFile, scopes_of
from handrail.adoption.values import Values
from handrail.core.source import LARGEST, parsed

#: Files and folders of a directory that are read, and how far below it.
_MOST_FILES = 64
_MOST_FOLDERS = 256
_DEEPEST = 4
_VLLM = re.compile(rb"\bvllm\b")
_LEFT_OUT = ("site-packages", "node_modules", "__pycache__")


@dataclass(frozen=True)
class Analysis:
    """`variables` are the names that the files set in the environment."""

    files: list[SourceFile]
    values: Values
    objects: Objects
    variables: frozenset[str]


def analysed(files: Iterable[Path], environment: Mapping[str, str] | None = None) -> Analysis:
    """The files that can be parsed. Without an `environment`, values that are read from it are left unread."""
    trees = [(path, parsed(path)) for path in list(files)[:_MOST_FILES]]
    found = [scopes_of(path, tree) for path, tree in trees if tree is not None]
    changed = variables(found, Values(found, None, frozenset()))
    values = Values(found, environment, changed)
    return Analysis(found, values, Objects(found, values), changed)


def python_files(folder: Path) -> list[Path]:
    """The Python files of a directory, nearest first."""
    found = [path for number, paths in zip(range(_MOST_FOLDERS), _folders(folder), strict=False) for path in paths]
    return sorted(found, key=lambda path: (len(path.parts), path))[:_MOST_FILES]


def _folders(folder: Path) -> Iterator[list[Path]]:
    """The Python files of each folder. What cannot be read is passed over."""
    top = len(folder.parts)
    for name, folders, files in os.walk(folder):
        place = Path(name)
        is_deep = len(place.parts) - top >= _DEEPEST
        folders[:] = [] if is_deep else sorted(one for one in folders if one not in _LEFT_OUT and one[0] != ".")
        yield [place / file for file in files if file.endswith(".py")]


def mentions_vllm(path: Path) -> bool:
    try:
        return path.stat().st_size <= LARGEST and _VLLM.search(path.read_bytes()) is not None
    except OSError:
        return False
