"""Finds the user's script and imports it under the name that its siblings expect."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core import command_line
from handrail.core.errors import FileMissing, ImportFailed, ScriptMissing
from handrail.core.marks import Mark, collect
from handrail.core.siblings import hiding
from handrail.core.tracebacks import fault_line, inner_line, message_of, user_traceback

#: Paths of a script below the model path, tried in order if CUSTOM_SCRIPT_FILENAME is not set.
DEFAULT_SCRIPTS = ("model.py", "code/model.py")
#: The beginning of the names of modules that `handrail.core.isolated` imports, which a reload leaves alone.
ISOLATED = "_handrail_isolated_"


def find_script(model_path: Path, filename: str | None, of_style: str | None = None) -> Path | None:
    """The script's path; None if there is none and `filename` is not set.

    `of_style` is the path of a whole-model style's script, tried after the defaults.

    Raises ScriptMissing if `filename` (the value of CUSTOM_SCRIPT_FILENAME) names no file.
    """
    if not filename:
        names = (*DEFAULT_SCRIPTS, of_style) if of_style else DEFAULT_SCRIPTS
        return next((model_path / name for name in names if (model_path / name).is_file()), None)
    if leaves(filename):
        raise ScriptMissing(
            f"CUSTOM_SCRIPT_FILENAME is {filename!r}, which leaves the model directory {model_path}. "
            "Write the absolute path."
        )
    path = model_path / filename
    if not path.is_file():
        raise ScriptMissing(
            f"CUSTOM_SCRIPT_FILENAME is {filename!r}, and there is no file {path}. "
            f"Put the script there, or name one that is in {model_path}{_python_files(model_path)}."
        )
    return path


def leaves(path: str) -> bool:
    """Whether a relative path leads out of its directory."""
    return os.path.normpath(path).split(os.sep)[0] == os.pardir


def _python_files(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.py"))
    return f" ({', '.join(names[:8])})" if names else ""


@dataclass(frozen=True)
class RunApplication:
    """The application that a script's main guard would serve; `where` is the line that does."""

    app: Any
    where: str


@dataclass(frozen=True)
class Script:
    """The loaded script. All fields are empty without a script; `module` is None if its import failed.

    `application` is what its main guard serves, if that was run.
    """

    path: Path | None = None
    module: ModuleType | None = None
    marks: tuple[Mark, ...] = ()
    application: RunApplication | None = None
    warnings: tuple[str, ...] = ()


class Loader:
    """Imports each file once, however many references name it; `marks` collects the decorators' marks.

    `arguments` are the script's command line.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = tuple(arguments)
        self.marks: list[Mark] = []
        self.instances: dict[type, Any] = {}  # of classes whose methods are handlers, one for all slots
        self.packages: dict[Path, str] = {}  # folders whose files are modules of a package
        self._modules: dict[Path, ModuleType | ImportFailed] = {}
        self._before = frozenset(sys.modules)  # modules of an earlier load, whose marks are already collected

    def load(self, path: Path) -> ModuleType:
        """The module of `path`, run on the first call. Raises FileMissing, ImportFailed."""
        path = Path(os.path.abspath(path))  # links are not followed: name and siblings are those the user sees
        file = _file(path)
        if file not in self._modules:
            self._modules[file] = self._already_imported(path) or self._attempt(path)
        module = self._modules[file]
        if isinstance(module, ImportFailed):
            raise module
        return module

    def has_run(self, path: Path) -> bool:
        """Whether this load has run or imported the file."""
        return path.resolve() in self._modules or self._already_imported(path) is not None

    def import_module(self, name: str) -> ModuleType:
        """An installed module, or a sibling of the script by its dotted name. Raises FileMissing, ImportFailed."""
        with self._as_user_program(name):
            try:
                return self._already_run(name) or importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                    raise FileMissing(f"there is no module {name!r} (no {error.name!r} is installed)") from None
                raise import_failed(name, error) from error
            except BaseException as error:  # a user's module may raise anything
                if is_operators(error):
                    raise
                raise import_failed(name, error) from error

    def _already_imported(self, path: Path) -> ModuleType | None:
        """The file's module under any name: a sibling may have imported it, or a reference as `package.module`."""
        since = [module for name, module in list(sys.modules.items()) if name not in self._before]
        return next((module for module in since if _is_of(module, path)), None)

    def _already_run(self, name: str) -> ModuleType | None:
        """The module of that name, if an earlier reference has loaded it as a file."""
        spec = importlib.util.find_spec(name) if name not in sys.modules else None
        known = self._modules.get(Path(spec.origin).resolve()) if spec and spec.origin else None
        return known if isinstance(known, ModuleType) else None

    def _attempt(self, path: Path) -> ModuleType | ImportFailed:
        try:
            return self._run(path)
        except ImportFailed as fault:
            return fault

    def _run(self, path: Path) -> ModuleType:
        package = self.packages.get(path.parent)
        name = f"{package}.{path.stem}" if package else module_name(path)
        make_importable(path.parent)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportFailed(f"{path} is not a Python file: its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: dataclasses, pickle and forward references need it
        try:
            with self._as_user_program(str(path)):
                spec._initializing = True  # type: ignore[attr-defined]  # as `import` does: names circular imports in errors
                spec.loader.exec_module(module)
        except BaseException as error:  # a user's script may raise anything
            sys.modules.pop(name, None)
            if is_operators(error):
                raise
            raise import_failed(path, error) from error
        finally:
            spec._initializing = False  # type: ignore[attr-defined]
        if package:
            setattr(sys.modules[package], path.stem, module)  # as `import package.module` would
        return module

    def as_package(self, folder: Path) -> None:
        """Make `from folder.sibling import …` work in the files of `folder`, unless an installed package has its name.

        Raises ImportFailed if its `__init__.py` fails.
        """
        make_importable(folder.parent)
        if not folder.name.isidentifier():
            return
        found = sys.modules.get(folder.name) or importlib.util.find_spec(folder.name)
        places = getattr(found, "submodule_search_locations", None) or getattr(found, "__path__", None) or ()
        if any(Path(place).resolve() == folder.resolve() for place in places):
            self.import_module(folder.name)
            self.packages[folder] = folder.name

    def run_as_program(self, path: Path, run: Callable[[], None]) -> None:
        """Run more of a script that has been loaded, as it was run itself."""
        with self._as_user_program(str(path)):
            run()

    @contextmanager
    def _as_user_program(self, name: str) -> Iterator[None]:
        """Collect marks, and give scripts that parse `sys.argv` their command line and not ours."""
        sys.dont_write_bytecode = True  # permanently: a handler may import later, and the folder is read-only
        arguments, sys.argv = sys.argv, [name, *self._arguments]
        try:
            with collect() as marks:
                yield
        finally:
            sys.argv = arguments
        self.marks.extend(marks)


def is_operators(error: BaseException) -> bool:
    """Whether `error` may be a Ctrl-C, which Python raises in the main thread only; a server imports in another."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def _file(path: Path) -> Path:
    """The file itself, links followed. Raises FileMissing."""
    try:
        if path.is_file():
            return path.resolve()
    except (OSError, ValueError) as error:  # no permission, name too long, or a NUL in it
        raise FileMissing(f"{str(path)!r} cannot be read: {error}") from None
    raise FileMissing(f"there is no file {path}")


def module_name(path: Path) -> str:
    """The script's stem if no other module has that name, else a private name, the same in every process."""
    stem = path.stem
    if stem.isidentifier() and stem not in sys.modules and _finds_only(stem, path):
        return stem
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    plain = re.sub(r"\W", "_", stem)  # a dot would make it a module of a package
    return f"_handrail_{plain}_{digest}"


def _is_of(module: Any, path: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return isinstance(origin, str) and Path(origin).name == path.name and Path(origin).resolve() == path.resolve()


def _finds_only(stem: str, path: Path) -> bool:
    spec = importlib.util.find_spec(stem)
    return spec is None or (spec.origin is not None and Path(spec.origin).resolve() == path.resolve())


def make_importable(folder: Path) -> None:
    """Append `folder` to `sys.path`: siblings can be imported, and never shadow installed modules."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def unload(folder: Path) -> dict[str, ModuleType]:
    """Remove every module whose file is below `folder` from `sys.modules`, so that it is imported anew.

    Returns the removed modules, for `sys.modules.update` if the new ones fail.
    """
    root = folder.resolve()
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    folders = {name: os.path.dirname(file) for name, file in files.items() if file and not name.startswith(ISOLATED)}
    below = {parent for parent in set(folders.values()) if Path(parent).resolve().is_relative_to(root)}
    importlib.invalidate_caches()
    return {name: sys.modules.pop(name) for name, parent in folders.items() if parent in below}


def import_failed(what: Path | str, error: BaseException) -> ImportFailed:
    where = fault_line(error, what) if isinstance(what, Path) else f"module {what!r}"
    cause = "".join(message_of(error).splitlines()[:1])
    if isinstance(error, SystemExit):
        exits = f"it called sys.exit({error.code!r}); a script that is served must not exit when imported"
        cause = command_line.refused(error) or exits
    folder = what.parent if isinstance(what, Path) else Path(what)
    inner = inner_line(error, folder) if where.startswith(str(what)) else ""  # a syntax error already names its line
    raised = f"It was raised at {inner}" if inner not in ("", where) else ""
    told = [f"{type(error).__name__}: {cause}", hiding(error, folder), raised]
    return ImportFailed(f"{where} failed to import: {'. '.join(filter(None, told))}", user_traceback(error, folder))
