"""Runs the main guard of a script that is nothing without it, and takes the application that it would serve."""

from __future__ import annotations
import __future__

import ast
import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from starlette.applications import Starlette

from handrail.adoption.analysis import Analysis, analysed, python_files
from handrail.adoption.capture import SERVE_HTTP, Captured, Record, capturing
from handrail.adoption.places import BuildPlaces
from handrail.adoption.scopes import Scope, SourceFile, is_main_guard
from handrail.core.command_line import refused
from handrail.core.errors import FileMissing, HandlerFault, LoadFailed, NameMissing, SettingFault
from handrail.core.script import Loader, RunApplication, Script, is_operators
from handrail.core.slots import Slot
from handrail.core.source import parsed
from handrail.core.tracebacks import inner_line, message_of, user_traceback

#: Names for which a script is served without its guard.
_SERVED = {"Model", "EndpointHandler", "model_fn", "predict_fn", "transform_fn", "handle"}
_SERVED |= {slot.function for slot in Slot}
#: Files that may say which class or function of the script is served.
_CONFIGURATIONS = ("config.yaml", "model.yaml", "serving.properties")
_SERVERS = {"uvicorn.run", "uvicorn.main.run", "uvicorn.Server", "uvicorn.server.Server"}
_MAIN = "__main__"


def with_guard(path: Path, module: ModuleType, loader: Loader) -> Script:
    """The script that has been loaded, with what its main guard does and serves, if it needs that. Raises HandlerFault.

    The guard is run if it starts a server, and there would be no application without it, or an engine needs it.
    """
    script, path = Script(path, module, tuple(loader.marks)), Path(os.path.abspath(path))
    tree = parsed(path)
    guards = [node for node in tree.body if isinstance(node, ast.If) and is_main_guard(node)] if tree else []
    if tree is None or not guards or not _is_needed(path, module, loader):
        return script
    modules = _modules_of_serve_http(tree)
    with capturing(path.parent, modules) as record:
        loader.run_as_program(path, lambda: _run(guards, _future(tree), path, module))
    application, warnings = _outcome(record, f"{path}:{guards[0].lineno}", module, loader)
    return Script(script.path, module, tuple(loader.marks), application, tuple(warnings))


def _is_needed(path: Path, module: ModuleType, loader: Loader) -> bool:
    found = analysed([path, *(file for file in python_files(path.parent) if file != path)])
    places = BuildPlaces(found, [guard for file in found.files if file.path == path for guard in file.guards])
    if not any(places.reaches(scope) for _, scope in _server_calls(found)):
        return False
    return _feeds_engine(found, places) or _serves_nothing(path, module, loader)


def _server_calls(found: Analysis) -> Iterator[tuple[ast.Call, Scope]]:
    for scope in (scope for file in found.files for scope in file.scopes):
        for call in scope.calls:
            dotted = found.values.dotted(call.func, scope)
            if dotted in _SERVERS or (dotted.startswith("vllm.") and dotted.endswith(f".{SERVE_HTTP}")):
                yield call, scope


def _serves_nothing(path: Path, module: ModuleType, loader: Loader) -> bool:
    """Whether the imported script has no application, and nothing else that a server here looks for."""
    names = vars(module)
    if loader.marks or _SERVED & names.keys() or any(isinstance(value, Starlette) for value in names.values()):
        return False
    return not any((folder / name).is_file() for folder in path.parents[:2] for name in _CONFIGURATIONS)


def _feeds_engine(found: Analysis, places: BuildPlaces) -> bool:
    """Whether an engine is built with the guard only, or a function uses a name that only the guard sets."""
    calls = [(call, scope) for file in found.files for scope in file.scopes for call in scope.calls]
    built = [places.of(scope) for call, scope in calls if found.objects.made(call, scope) is not None]
    return "guard" in built or (bool(built) and any(_waits_for_guard(file, places) for file in found.files))


def _waits_for_guard(file: SourceFile, places: BuildPlaces) -> bool:
    for node, scope in file.names:
        owner = scope.owner(node.id) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else None
        if owner is None or not isinstance(node, ast.Name) or places.of(scope) == "guard":
            continue
        given = owner.assigned.get(node.id, [])
        is_known = node.id in owner.parameters or node.id in owner.imported or node.id in owner.defined
        if given and not is_known and all(one.scope in file.guards for one in given):
            return True
    return False


def _modules_of_serve_http(tree: ast.Module) -> list[str]:
    """The modules from which the script takes `serve_http`, imported: their functions are captured."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    taken = [node.module for node in imports if any(alias.name == SERVE_HTTP for alias in node.names)]
    return [name for name in taken if name is not None and _has_serve_http(name)]


def _has_serve_http(name: str) -> bool:
    try:
        return hasattr(importlib.import_module(name), SERVE_HTTP)
    except Exception:  # noqa: BLE001  the script imports it itself, and then the error is reported
        return False


def _future(tree: ast.Module) -> int:
    """The flags of the script's `from __future__ import …`."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    names = [alias.name for node in imports for alias in node.names]
    return sum({getattr(__future__, name).compiler_flag for name in names})


def _run(guards: Sequence[ast.If], flags: int, path: Path, module: ModuleType) -> None:
    body = ast.Module([statement for guard in guards for statement in guard.body], [])
    try:
        exec(compile(body, str(path), "exec", flags, dont_inherit=True), vars(module))
    except SystemExit as error:
        if error.code:
            raise _exited(error, path) from error
    except BaseException as error:  # a user's script may raise anything
        if is_operators(error):
            raise
        where = inner_line(error, path.parent) or str(path)
        told = f"{where} the main guard failed: {type(error).__name__}: {message_of(error)}"
        raise LoadFailed(told, user_traceback(error, path.parent)) from error


def _exited(error: SystemExit, path: Path) -> HandlerFault:
    where = inner_line(error, path.parent) or str(path)
    if said := refused(error):
        return SettingFault(f"{where} {said}.")
    return LoadFailed(f"{where} the main guard called sys.exit({error.code!r})", user_traceback(error, path.parent))


def _outcome(
    record: Record, where: str, module: ModuleType, loader: Loader
) -> tuple[RunApplication | None, Iterable[str]]:
    """The application to serve, and what the author should know. Raises HandlerFault."""
    if not record.captured:
        return None, [f"{where} the main guard was run, and it started no server"]
    first, *others = record.captured
    return RunApplication(_application(first, module, loader), first.where), _warnings(record, first, others)


def _warnings(record: Record, first: Captured, others: Sequence[Captured]) -> Iterator[str]:
    if first.address:
        yield f"{first.where} {first.call}({', '.join(first.address)}): not read, as this server listens by its own"
    for other in others:
        yield f"{other.where} {other.call}: not served, as the application of {first.where} is"
    for where in dict.fromkeys(record.signals):
        yield f"{where} sets a handler of signals in the main guard: left out, as the server handles them"


def _application(captured: Captured, module: ModuleType, loader: Loader) -> Any:
    """Raises HandlerFault."""
    app = captured.app
    if isinstance(app, str):
        app = _named(captured, app, module, loader)
    if not captured.is_factory:
        return app
    try:
        return app()
    except Exception as error:  # a user's function may raise anything
        raise LoadFailed(f"{captured.where} the factory failed: {type(error).__name__}: {message_of(error)}") from error


def _named(captured: Captured, text: str, module: ModuleType, loader: Loader) -> Any:
    """The application of `main:app`: of the script itself, under whichever name it says its file has."""
    name, _, attribute = text.partition(":")
    found: Any = module
    if name.rpartition(".")[2] not in (module.__name__, Path(module.__file__ or "").stem, _MAIN):
        try:
            found = loader.import_module(name)
        except FileMissing as fault:
            if not hasattr(module, attribute.partition(".")[0]):
                raise FileMissing(f"{captured.where} serves {text!r}: {fault}.") from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise NameMissing(f"{captured.where} serves {text!r}, and {found.__name__} has no {part!r}.")
        found = getattr(found, part)
    return found
