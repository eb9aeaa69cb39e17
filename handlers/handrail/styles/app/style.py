"""Rung 4 of the ladder: the offer of an application that CUSTOM_APP names, that the script's main guard serves, or that
the script has as `app`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from handrail.core import reference
from handrail.core.errors import HandlerFault, NameMissing, SettingFault
from handrail.core.reference import Reference
from handrail.core.script import RunApplication
from handrail.core.whole_model import ModelDirectory, Offer, Style
from handrail.styles.app.model import SETTING, AppModel, Named
from handrail.styles.foreign.judge import require_no_server

VARIABLE = "CUSTOM_APP"
NAME = "app"


class AppStyle(Style):
    name = "app"
    #: Above a `class Model`, which an application's routes may call.
    priority = 1

    def reference(self, directory: ModelDirectory) -> str | None:
        """The value of CUSTOM_APP."""
        return None

    def invocation(self, directory: ModelDirectory) -> str | None:
        """The value of HANDRAIL_APP_INVOCATION."""
        return None

    def prepare(self, directory: ModelDirectory) -> str | None:
        """The file that CUSTOM_APP names is the script, where there is no other."""
        value = self.reference(directory)
        file = _file(reference.parse(VARIABLE, value, "app")) if value else ""
        return file if file and (directory.path / file).is_file() else None

    def find(self, directory: ModelDirectory) -> Offer | None:
        value, invocation = self.reference(directory), self.invocation(directory)
        try:
            found = self._referenced(value, directory) if value else _named(directory)
            if found is None:
                return _useless(invocation) if invocation and directory.script.module else None
            app, named = found
            label = f"{named.name} at {named.where}"
            model = AppModel(app, named, invocation)
        except HandlerFault as fault:
            return Offer(f"{VARIABLE}={value}" if value else NAME, faults=(fault,), is_chosen=bool(value))
        script = directory.script.path
        its_script = script if script and script.absolute() == named.path else None
        return Offer(label, model, warnings=model.warnings, is_chosen=bool(value), script=its_script)

    def _referenced(self, value: str, directory: ModelDirectory) -> tuple[Starlette, Named]:
        """The application that CUSTOM_APP names. Raises HandlerFault."""
        wanted, script = reference.parse(VARIABLE, value, "app"), directory.script.path
        file = directory.path / _file(wanted)
        if script is not None and file == script:
            wanted = Reference(wanted.setting, "model", wanted.name)  # it has run, under whichever name
        elif file.is_file():
            require_no_server(file)
        app = reference.load(wanted, directory.loader, directory.path, script)
        if not isinstance(app, Starlette):
            raise NameMissing(
                f"{VARIABLE} is {value!r}, which is a {type(app).__name__}: name a FastAPI or Starlette application. "
                f"Add a middleware with `{NAME}.add_middleware(…)`, and give what a function makes a name in the file: "
                f"`{NAME} = {wanted.name}()`"
            )
        where = script if wanted.where == "model" and script else file
        path = where if where.is_file() else _file_of_module(wanted.where)
        return app, _located(wanted.name, path, directory)


def _file(wanted: Reference) -> str:
    """The file of a reference below the model directory; "" for the script itself."""
    if wanted.where == "model":
        return ""
    return wanted.where if wanted.where.endswith(".py") else f"{wanted.where.replace('.', '/')}.py"


def _file_of_module(name: str) -> Path:
    return Path(getattr(sys.modules.get(name), "__file__", None) or name)


def _named(directory: ModelDirectory) -> tuple[Starlette, Named] | None:
    """Raises NameMissing."""
    script, names = directory.script, vars(directory.script.module) if directory.script.module else {}
    if script.path is None:
        return None
    if script.application is not None:
        return _run(script.application, names, script.path, directory)
    app = names.get(NAME)
    return (app, _located(NAME, script.path, directory)) if isinstance(app, Starlette) else None


def _run(
    run: RunApplication, names: Mapping[str, Any], path: Path, directory: ModelDirectory
) -> tuple[Starlette, Named]:
    """The application that the main guard serves, under the name that the script has for it. Raises NameMissing."""
    if not isinstance(run.app, Starlette):
        raise NameMissing(
            f"{run.where} serves a {type(run.app).__name__}, which is no FastAPI or Starlette application. Add a "
            f"middleware with `{NAME}.add_middleware(…)`, and serve the application itself"
        )
    name = next((name for name, value in names.items() if value is run.app), None)
    named = _located(name or NAME, path, directory)
    return run.app, named if name is not None else named._replace(where=run.where)


def _located(name: str, path: Path, directory: ModelDirectory) -> Named:
    path, folder = path.absolute(), directory.path.absolute()
    line, folder = _line_of(name, path), folder if path.is_relative_to(folder) else path.parent
    return Named(name, f"{path}:{line}" if line else str(path), path, folder)


def _line_of(name: str, path: Path) -> int:
    """The line where a file gives something that name; 0 if it cannot be told."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return 0
    return next((node.lineno for node in nodes if isinstance(node, ast.stmt) and name in _given(node)), 0)


def _given(node: ast.stmt) -> list[Any]:
    """The names that a statement gives."""
    if isinstance(node, ast.Assign):
        return [getattr(target, "id", None) for target in node.targets]
    if isinstance(node, ast.AnnAssign):
        return [getattr(node.target, "id", None)]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    return []


def _useless(invocation: str) -> Offer:
    fault = SettingFault(
        f"{SETTING} is {invocation!r}, and there is no application: the script has none as `{NAME}`, and {VARIABLE} "
        "names none."
    )
    return Offer(NAME, faults=(fault,))
