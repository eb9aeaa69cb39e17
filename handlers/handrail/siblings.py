"""Files beside the script that `import` does not reach, as what is installed comes first."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType


def hidden_siblings(script: Path | None) -> list[str]:
    """A warning for each file beside the script that `import` does not reach: what is installed comes first."""
    if script is None:
        return []
    siblings = [
        path
        for path in sorted(script.parent.glob("*.py"))
        if path not in (script, script.parent / "__init__.py") and path.stem.isidentifier()
    ]
    return [
        f"{path} is hidden: `import {path.stem}` gives {origin}; rename the file"
        for path in siblings
        if (origin := _other_origin(path)) is not None
    ]


def hiding(error: BaseException, folder: Path) -> str:
    """What to do where `error` is of a module that is not the file of that name in `folder`; "" where it is not."""
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    root = (name or "").partition(".")[0]
    there = [path for path in (folder / f"{root}.py", folder / root) if root and path.exists()]
    origin = _other_origin(there[0]) if there else None
    return f"`import {root}` gives {origin}, and not {there[0]}: rename yours" if origin else ""


def _other_origin(path: Path) -> str | None:
    if path.stem in sys.builtin_module_names:
        return "a module of Python's own"
    spec = PathFinder.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(path.resolve()):
        return None
    return spec.origin
