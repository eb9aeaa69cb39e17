"""Locates errors in the user's code: tracebacks without our frames, and `file:line` of definitions."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import sysconfig
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from handrail.core.advice import advice
from handrail.core.shortened import shortened
from handrail.core.siblings import hiding

_OURS = str(Path(__file__).parents[1])
_IMPORTLIB = str(Path(importlib.__file__).parent)
#: Not the user's code even inside a model directory, as in a virtual environment beside `model.py`.
_LIBRARIES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}


@dataclass(frozen=True)
class Raised:
    """An exception of a user's function: `where` is the `file:line` in their code, `traceback` without our frames."""

    type: str
    message: str
    where: str
    traceback: str


def explain(error: BaseException, function: Callable[..., Any], model_directory: Path | None = None) -> Raised:
    """Explain an exception to the author of the code that raised it, whose folder `authors_folder` chooses."""
    folder = authors_folder(error, function, model_directory)
    where, hidden = inner_line(error, folder) or definition(function), hiding(error, folder)
    told = "\n".join(filter(None, [user_traceback(error, folder), advice(error, _own_message(error)), hidden]))
    return Raised(type(error).__name__, ". ".join(filter(None, [message_of(error), hidden])), where, told)


def authors_folder(error: BaseException, function: Callable[..., Any], model_directory: Path | None) -> Path:
    """The folder whose lines explain the error: that of the file of `function`.

    A function from elsewhere, such as a method of an installed style, may call the user's script. If the traceback has
    a line below `model_directory`, that directory is the folder.
    """
    code = code_of(function)
    file = code.co_filename if code else os.devnull  # written in C: no lines of the user's
    if model_directory is None or _is_theirs(file, model_directory) or not inner_line(error, model_directory):
        return Path(file).parent
    return model_directory


def inner_line(error: BaseException, folder: Path) -> str:
    """`file:line` of the last line below `folder` in the error's traceback; "" if there is none."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    inside = [f"{file}:{line}" for file, line in lines if _is_theirs(file, folder)]
    return inside[-1] if inside else ""


def inner_code(error: BaseException, folder: Path) -> CodeType | None:
    """The code that this line is of; None if there is none."""
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((code for code in reversed(codes) if _is_theirs(code.co_filename, folder)), None)


def message_of(error: BaseException) -> str:
    """The error's message, with advice if there is any."""
    message = _own_message(error)
    return ". ".join(filter(None, [message, advice(error, message)]))


def _own_message(error: BaseException) -> str:
    try:
        return shortened(str(error))
    except Exception:  # noqa: BLE001  a user's exception may have a broken `__str__`
        return "(its __str__ raises)"


def user_traceback(error: BaseException, folder: Path) -> str:
    """The traceback as Python prints it, from the first frame of a file in `folder`."""
    report = traceback.TracebackException(type(error), error, _from_user(error.__traceback__, folder))
    _drop_import_frames(report)
    return "".join(map(shortened, report.format())).rstrip()  # the message is one of the pieces


def _from_user(tb: TracebackType | None, folder: Path) -> TracebackType | None:
    """`tb` from the first frame of a file in `folder`; if there is none, from the first that is not ours."""
    first, theirs = tb, None
    while tb is not None and theirs is None:
        theirs = tb if _is_theirs(tb.tb_frame.f_code.co_filename, folder) else None
        tb = tb.tb_next
    while theirs is None and first is not None and _is_machinery(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return theirs or first


def _is_theirs(file: str, folder: Path) -> bool:
    path = Path(file)
    if _is_machinery(file) or not path.is_relative_to(folder):
        return False
    return not any(path.is_relative_to(library) and library.is_relative_to(folder) for library in _LIBRARIES)


def _is_machinery(file: str) -> bool:
    return file.startswith((_OURS, "<frozen importlib", _IMPORTLIB))


def _drop_import_frames(report: traceback.TracebackException | None) -> None:
    while report is not None:
        report.stack[:] = [frame for frame in report.stack if not frame.filename.startswith("<frozen importlib")]
        report = report.__cause__ or report.__context__


def fault_line(error: BaseException, file: Path) -> str:
    """`file:line` of the last line of `file` in the error's traceback; for a syntax error, the line it names."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return f"{error.filename}:{error.lineno}"
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(file)]
    return f"{file}:{lines[-1]}" if lines else str(file)


def plugin_line(error: BaseException) -> str:
    """`file:line` of the last line outside of Handrail and the import system, or of a syntax error; "" if none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    told = [f"{file}:{line}" for file, line in lines if not _imports(file)]
    return told[-1] if told else ""


def _imports(file: str) -> bool:
    return _is_machinery(file) or not {"handrail_container", "importlib_metadata"}.isdisjoint(Path(file).parts)


def definition(function: Callable[..., Any]) -> str:
    """`file:line` of the `def` or `class`; the repr if Python does not know it."""
    if inspect.isclass(function):
        return _class_definition(function)
    code = code_of(function)
    if code is None:
        return repr(function)
    node = _def_node(code)
    return f"{code.co_filename}:{node.lineno if node else code.co_firstlineno}"


def _class_definition(cls: type) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return repr(cls)


def signature_text(function: Callable[..., Any]) -> str | None:
    """The `def` as its author wrote it, on one line; None if the source cannot be read."""
    node = def_node(function)
    if node is None:
        return None
    prefix = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{prefix}{node.name}({ast.unparse(node.args)}){returns}"


def def_node(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The `def` of the function behind decorators and partials; None if the source cannot be read."""
    code = code_of(function)
    return _def_node(code) if code is not None else None


def code_of(function: Any) -> CodeType | None:
    """The code of a function, partial, method, decorated function, or object with `__call__`; None if there is none."""
    while isinstance(function, functools.partial):
        function = function.func
    plain = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(plain, "__code__", None) or getattr(type(plain).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _def_node(code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The `def` of `code`, found by its first line, which is that of the first decorator."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warned about this source on import
            tree = ast.parse(Path(code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            starts = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            if min(starts) == code.co_firstlineno:
                return node
    return None
