"""docs/explanation/dependencies.md lists every part of another package that is not public, and nothing else."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {"container": ROOT / "container" / "handrail_container", "handlers": ROOT / "handlers"}
#: Modules, and what is below them, whose packages document no part of them, or document that it may change.
PRIVATE_MODULES = ("uvicorn.protocols", "uvicorn.server", "uvicorn.middleware", "fastapi.middleware.asyncexitstack")
PRIVATE_MODULES += ("fastapi.routing", "starlette.middleware.errors", "starlette.middleware.exceptions")
PRIVATE_MODULES += ("ray.serve.experimental",)
#: Private by their names, and documented all the same.
DOCUMENTED = {"_replace", "_asdict", "_exit"}
#: Methods of ours that are uvicorn's as well.
OVERRIDDEN = {"_start_asgi_task"}
ROW = re.compile(r"^\| `([\w/.]+\.py)` \| (.+?) \|", re.MULTILINE)


@functools.cache
def sources() -> list[tuple[str, ast.Module, str]]:
    every = []
    for root in PACKAGES.values():
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(ROOT if root.name == "handlers" else root).as_posix()
            text = path.read_text()
            every.append((name, ast.parse(text), text))
    return every


def own_names(tree: ast.Module) -> set[str]:
    """The names that a file itself gives to an attribute, a function or a class."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


def private_parts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            is_super = isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if re.match("_[a-z]", node.attr) and (is_super or not is_own):
                yield node.attr
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PRIVATE_MODULES):
            is_whole = (node.module or "").startswith("ray.")
            yield from [node.module or ""] if is_whole else [alias.name for alias in node.names]


def found() -> dict[str, set[str]]:
    parts = {name: set(private_parts(tree)) - DOCUMENTED for name, tree, _ in sources()}
    own = {name: own_names(tree) - OVERRIDDEN for name, tree, _ in sources()}
    return {name: parts[name] - own[name] for name in parts if parts[name] - own[name]}


def listed() -> dict[str, set[str]]:
    rows = ROW.findall((ROOT / "docs" / "explanation" / "dependencies.md").read_text())
    return {file: set(re.findall("`([^`]+)`", parts)) for file, parts in rows}


def test_every_private_part_is_listed() -> None:
    known = listed()
    missing = {
        file: {part for part in parts if not any(part.startswith(one) for one in known.get(file, ()))}
        for file, parts in found().items()
    }
    assert {file: parts for file, parts in missing.items() if parts} == {}


def test_what_is_listed_is_used() -> None:
    texts = {name: text for name, _, text in sources()}
    gone = {file: {part for part in parts if part not in texts.get(file, "")} for file, parts in listed().items()}
    assert {file: parts for file, parts in gone.items() if parts} == {}


def test_a_private_part_of_another_package_is_found() -> None:
    """The test of the tests: what is planted is seen."""
    planted = ast.parse("from uvicorn.server import Server\nrequest._stream_consumed\nsuper()._feed\nself._own\n")
    assert set(private_parts(planted)) == {"Server", "_stream_consumed", "_feed"}
