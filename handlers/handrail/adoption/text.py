"""What the text of a script says of the engine that it builds. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from handrail.adoption.analysis import Analysis, analysed, mentions_vllm, python_files
from handrail.adoption.blocking_calls import METHODS, BlockingCalls
from handrail.adoption.commands import commands
from handrail.adoption.engine_arguments import EngineArguments
from handrail.adoption.objects import Made
from handrail.adoption.places import BuildPlaces
from handrail.adoption.scopes import Scope


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
    """What the files say together, if one of them mentions vLLM.

    Without an `environment`, arguments that are read from it are left unread. Files that cannot be parsed are passed
    over.
    """
    files = list(files)
    if not any(map(mentions_vllm, files)):
        return ScriptText()
    found = analysed(files, environment)
    constructions = tuple(_constructions(found))
    blocks = any(one.name.partition(".")[0] in METHODS for one in constructions)
    blocking = BlockingCalls(found.objects).in_coroutines(found.files if blocks else [])
    return ScriptText(
        constructions,
        tuple(f"{file.path}:{line}" for file, line in blocking),
        found.variables,
        tuple(commands(found.files, found.values)),
    )


def read_directory(folder: Path, environment: Mapping[str, str] | None = None) -> ScriptText:
    """What the Python files below `folder` say."""
    return read(python_files(folder), environment)


def _constructions(found: Analysis) -> Iterator[Built]:
    guards = [guard for file in found.files for guard in file.guards]
    arguments, places = EngineArguments(found.values), BuildPlaces(found, guards)
    for file in found.files:
        calls = [(call, scope) for scope in file.scopes for call in scope.calls]
        for call, scope in sorted(calls, key=lambda one: (one[0].lineno, one[0].col_offset)):
            made = found.objects.made(call, scope)
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
