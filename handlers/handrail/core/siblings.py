"""Finds files beside the script that `import` does not reach because an installed module comes first."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType


def hidden_siblings(script: Path | None) -> list[str]:
    """A warning for each file beside the script that an `import` there does not reach because an installed module has
    its name. A file imported as part of a package, or not at all, is not reported."""
    if script is None:
        return []
    files = sorted(script.parent.glob("*.py"))
    others = {path: _other_origin(path) for path in files if path != script and path.stem.isidentifier()}
    shadowed = {path: origin for path, origin in others.items() if origin is not None}
    wanted = {name for path in files for name in _imported(path)} if shadowed else set()
    package = script.parent.name
    return [
        f"{path} is hidden: `import {path.stem}` gives {origin}; rename the file"
        for path, origin in shadowed.items()
        if path.stem in wanted and wanted.isdisjoint((f".{path.stem}", f"{package}.{path.stem}"))
    ]


def hiding(error: BaseException, folder: Path) -> str:
    """Advice if `error` concerns a module that hides the file of its name in `folder`; "" otherwise."""
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    root = (name or "").partition(".")[0]
    there = [path for path in (folder / f"{root}.py", folder / root) if root and path.exists()]
    origin = _other_origin(there[0]) if there else None
    return f"`import {root}` gives {origin}, and not {there[0]}: rename yours" if origin else ""


def _imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, each with its packages; none if the file is not valid Python."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warns about this source on import
            nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            above = "." * node.level + (node.module or "")
            names = [above, *(f"{above.rstrip('.')}.{name}" for name in names)]
        yield from (part for name in names for part in (name, name.partition(".")[0], _two_parts(name)))


def _two_parts(name: str) -> str:
    """The first two parts: `a.b` of `a.b.c`, `.b` of `.b.c`."""
    return ".".join(name.split(".")[:2])


def _other_origin(path: Path) -> str | None:
    if path.stem in sys.builtin_module_names:
        return "a module of Python's own"
    spec = PathFinder.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(path.resolve()):
        return None
    return spec.origin
