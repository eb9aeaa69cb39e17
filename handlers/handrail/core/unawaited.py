"""Warns about a `def` that uses the result of a call to the engine: a coroutine, which only `async def` can await."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from handrail.core.engine import Engine
from handrail.core.tracebacks import def_node, definition

#: Return annotations of the engine's methods: awaitables, or asynchronous iterators.
_AWAITED = {
    name: str(method.__annotations__.get("return", ""))
    for name, method in vars(Engine).items()
    if not name.startswith("_") and hasattr(method, "__annotations__")
}
_ITERATED = frozenset(name for name, given in _AWAITED.items() if given.startswith("AsyncIterator"))
_ASYNC = _ITERATED | {name for name, given in _AWAITED.items() if given.startswith("Awaitable")}
_NESTED = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def unawaited(functions: Iterable[Callable[..., Any]]) -> list[str]:
    """A warning for each `def` that takes the engine and uses a result without `await`."""
    return [warning for function in functions for warning in _warnings(function)]


def _warnings(function: Callable[..., Any]) -> Iterator[str]:
    node = def_node(function)
    if not isinstance(node, ast.FunctionDef):
        return
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    engines = {
        one.arg for one in parameters if one.annotation and re.search(r"\bEngine\b", ast.unparse(one.annotation))
    }
    handed_on = set(_handed_on(node))
    call = next((call for part in node.body for call in _used(part, engines, handed_on)), None)
    if call is not None:
        name = ast.unparse(call.func)
        instead = "async for … in" if name.rpartition(".")[2] in _ITERATED else "await"
        yield (
            f"{definition(function)} {node.name} is a `def`, which cannot await what `{name}(…)` gives in line "
            f"{call.lineno}: write `async def {node.name}` and `{instead} {name}(…)`"
        )


def _handed_on(node: ast.FunctionDef) -> Iterator[str]:
    """Names that are passed to a call or returned: they may be awaited there."""
    for inner in ast.walk(node):
        given: list[ast.expr] = []
        if isinstance(inner, ast.Call):
            given = [*inner.args, *(keyword.value for keyword in inner.keywords)]
        elif isinstance(inner, ast.Return) and inner.value is not None:
            given = [inner.value]
        yield from (one.id for one in given if isinstance(one, ast.Name))


def _used(node: ast.AST, engines: set[str], handed_on: set[str]) -> Iterator[ast.Call]:
    """Calls of an engine whose value is used here: neither passed to another call nor returned unchanged."""
    if isinstance(node, _NESTED):
        return
    if isinstance(node, ast.Call):
        given = (*node.args, *(keyword.value for keyword in node.keywords))
        for part in (node.func, *(one for one in given if isinstance(one, ast.Attribute | ast.Subscript | ast.Dict))):
            yield from _used(part, engines, handed_on)
        if _is_asked(node, engines):
            yield node
        return
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Call) and _is_asked(node.value, engines):
        return
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id in handed_on for one in node.targets):
        return
    for child in ast.iter_child_nodes(node):
        yield from _used(child, engines, handed_on)


def _is_asked(node: ast.Call, engines: set[str]) -> bool:
    called = node.func
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return False
    return called.value.id in engines and called.attr in _ASYNC
