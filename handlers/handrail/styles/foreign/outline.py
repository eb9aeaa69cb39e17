"""The top-level definitions of a Python file, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from handrail.core.source import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class TopLevelCall:
    """`name` is dotted, as imported; a call that is not guarded runs on import."""

    name: str
    line: int
    is_guarded: bool


@dataclass(frozen=True)
class Outline:
    """`imported` maps each local name to its dotted origin and line, `assigned` to the call that made its value."""

    path: Path
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    imported: dict[str, tuple[str, int]] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)
    calls: list[TopLevelCall] = field(default_factory=list)

    def dotted(self, node: ast.expr) -> str:
        """The dotted name of `node`, as imported; "" if it is no name. What a call makes is `name()`."""
        if isinstance(node, ast.Name):
            return self.assigned.get(node.id) or self.imported.get(node.id, (node.id, 0))[0]
        if isinstance(node, ast.Call):
            return f"{self.dotted(node.func)}()"
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        return ""

    def calls_in(self, name: str) -> Iterator[TopLevelCall]:
        """The calls in the body of a function."""
        nodes = ast.walk(self.functions[name]) if name in self.functions else ()
        for node in nodes:
            if isinstance(node, ast.Call):
                yield TopLevelCall(self.dotted(node.func), node.lineno, is_guarded=False)

    def decorators(self) -> Iterator[tuple[ast.expr, Function | ast.ClassDef]]:
        for node in (*self.functions.values(), *self.classes.values()):
            yield from ((decorator, node) for decorator in node.decorator_list)


def outline(path: Path) -> Outline | None:
    """The outline of a file; None if it cannot be read or parsed: importing it reports why."""
    tree = parsed(path)
    if tree is None:
        return None
    found = Outline(path)
    for statement, is_guarded in _statements(tree.body):
        _add(found, statement, is_guarded=is_guarded)
    return found


def _statements(body: list[ast.stmt], *, is_guarded: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """The top-level statements, also inside `if` and `try`; those in `if __name__ == "__main__"` are guarded."""
    for statement in body:
        if isinstance(statement, ast.If):
            is_main = "__name__" in ast.dump(statement.test)
            yield from _statements(statement.body, is_guarded=is_guarded or is_main)
            yield from _statements(statement.orelse, is_guarded=is_guarded)
        elif isinstance(statement, ast.Try):
            parts = (statement.body, *(handler.body for handler in statement.handlers), statement.orelse)
            for part in (*parts, statement.finalbody):
                yield from _statements(part, is_guarded=is_guarded)
        else:
            yield statement, is_guarded


def _add(found: Outline, statement: ast.stmt, *, is_guarded: bool) -> None:
    if isinstance(statement, Function):
        found.functions[statement.name] = statement
    elif isinstance(statement, ast.ClassDef):
        found.classes[statement.name] = statement
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            found.imported[alias.asname or name] = (name, statement.lineno)
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            found.imported[alias.asname or alias.name] = (f"{statement.module or ''}.{alias.name}", statement.lineno)
    elif isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
        _add_call(found, statement, statement.value, is_guarded=is_guarded)


def _add_call(found: Outline, statement: ast.stmt, call: ast.Call, *, is_guarded: bool) -> None:
    """The call, and those that make its arguments, as in `asyncio.run(server.serve())`."""
    inner = [argument for argument in call.args if isinstance(argument, ast.Call)]
    for each in (call, *inner):
        found.calls.append(TopLevelCall(found.dotted(each.func), statement.lineno, is_guarded))
    for target in getattr(statement, "targets", [getattr(statement, "target", None)]):
        if isinstance(target, ast.Name):
            found.assigned[target.id] = found.dotted(call)
