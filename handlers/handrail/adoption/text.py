"""What the text of a script says of the engine that it builds. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from handrail.adoption.blocking_calls import BlockingCalls
from handrail.adoption.commands import commands, variables
from handrail.adoption.engine_arguments import EngineArguments
from handrail.adoption.objects import Made, Objects
from handrail.adoption.places import BuildPlaces
from handrail.adoption.scopes import Scope, SourceFile, scopes_of
from handrail.adoption.values import Values
from handrail.core.source import LARGEST, parsed

#: Files of a directory that are read.
_MOST_FILES = 64
_VLLM = re.compile(rb"\bvllm\b")
_FOLDERS_LEFT_OUT = ("site-packages", "__pycache__", "node_modules")


class BuildPlace(StrEnum):
    """Where a construction is: in the main guard also where only the guard calls the function that it is in."""

    MODULE = "module"
    GUARD = "guard"
    FUNCTION = "function"


@dataclass(frozen=True)
class Built:
    """An engine that the text constructs. `name` is the constructor, as `LLM` or `AsyncLLMEngine.from_engine_args`.

    `arguments` are those of the engine whose value the text says, and `unread` the names of the others; `**name` is a
    mapping of which nothing is known.
    """

    name: str
    where: str
    arguments: Mapping[str, Any]
    unread: tuple[str, ...]
    place: BuildPlace


@dataclass(frozen=True)
class ScriptText:
    """`blocking` are the places of calls in an `async def` that wait for the engine, directly or through a function;
    `variables` are set in the environment; `commands` are the places where another vLLM server is started."""

    constructions: tuple[Built, ...] = ()
    blocking: tuple[str, ...] = ()
    variables: frozenset[str] = field(default_factory=frozenset)
    commands: tuple[str, ...] = ()


def read(files: Iterable[Path], environment: Mapping[str, str] | None = None) -> ScriptText:
    """What the files say together. Without an `environment`, arguments that are read from it are left unread.

    Files that cannot be parsed are passed over.
    """
    trees = ((path, parsed(path)) for path in list(files)[:_MOST_FILES])
    found = [scopes_of(path, tree) for path, tree in trees if tree is not None]
    plain = Values(found, None, frozenset())
    changed = variables(found, plain)
    values = Values(found, environment, changed)
    objects = Objects(found, values)
    blocking = BlockingCalls(objects).in_coroutines(found)
    return ScriptText(
        tuple(_constructions(found, values, objects)),
        tuple(f"{file.path}:{line}" for file, line in blocking),
        changed,
        tuple(commands(found, values)),
    )


def read_directory(folder: Path, environment: Mapping[str, str] | None = None) -> ScriptText:
    """What the Python files below `folder` say, if one of them mentions vLLM."""
    files = _python_files(folder)
    return read(files, environment) if any(_mentions_vllm(path) for path in files) else ScriptText()


def _python_files(folder: Path) -> list[Path]:
    """The files nearest to the top, in their order."""
    try:
        found = [path for path in folder.rglob("*.py") if not set(path.parts) & set(_FOLDERS_LEFT_OUT)]
    except OSError:
        return []
    return sorted(found, key=lambda path: (len(path.parts), path))[:_MOST_FILES]


def _mentions_vllm(path: Path) -> bool:
    try:
        return path.stat().st_size <= LARGEST and _VLLM.search(path.read_bytes()) is not None
    except OSError:
        return False


def _constructions(files: list[SourceFile], values: Values, objects: Objects) -> Iterator[Built]:
    arguments, places = EngineArguments(values), BuildPlaces(files, objects)
    for file in files:
        found = [(call, scope) for scope in file.scopes for call in scope.calls]
        for call, scope in sorted(found, key=lambda one: (one[0].lineno, one[0].col_offset)):
            made = objects.made(call, scope)
            if made is not None:
                where, inner = _constructed(made, call, scope)
                given = arguments.of(made, where, inner)
                line = f"{inner.file.path}:{where.lineno}"
                yield Built(made.name, line, *given, BuildPlace(places.of(scope)))


def _constructed(made: Made, call: ast.Call, scope: Scope) -> tuple[ast.Call, Scope]:
    """The call that has the arguments: of a subclass that has a constructor of its own, the one that it makes."""
    own = made.own.defined.get("__init__") if made.own is not None and not made.factory else None
    calls = own.calls if own is not None else []
    above = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == "__init__"]
    return (above[0], own) if own is not None and above else (call, scope)
