"""The scopes of a Python file: what each assigns, imports, defines and calls, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef

_CONDITIONAL = ast.If | ast.For | ast.AsyncFor | ast.While | ast.ExceptHandler | ast.match_case


class Assigned(NamedTuple):
    """A value that something gets, and the scope to read it in. `value` is None where it is no expression."""

    value: ast.expr | None
    scope: Scope


class Change(NamedTuple):
    """`name[key] = value`, `name.key = value`; `value` is None where that is deleted."""

    key: ast.expr
    value: ast.expr | None
    is_conditional: bool
    line: int


@dataclass(eq=False)
class Scope:
    """A module, a class, a function, or the body of the main guard, whose names are the module's.

    `changes` are by the text of what is changed, as `self.args`.
    """

    file: SourceFile
    node: ast.AST
    parent: Scope | None = None
    assigned: dict[str, list[Assigned]] = field(default_factory=dict)
    annotated: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    defined: dict[str, Scope] = field(default_factory=dict)
    parameters: dict[str, ast.arg] = field(default_factory=dict)
    declared_global: set[str] = field(default_factory=set)
    calls: list[ast.Call] = field(default_factory=list)
    iterated: set[ast.expr] = field(default_factory=set)
    changes: dict[str, list[Change]] = field(default_factory=dict)
    returned: list[ast.expr] = field(default_factory=list)
    is_generator: bool = False

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_function(self) -> bool:
        return isinstance(self.node, Function | ast.Lambda)

    def has(self, name: str) -> bool:
        places = (self.assigned, self.annotated, self.imported, self.defined, self.parameters)
        return name not in self.declared_global and any(name in place for place in places)

    def owner(self, name: str) -> Scope | None:
        """The scope that `name` is of, as Python finds it; None if it is a built-in, or from a star import."""
        scope: Scope | None = self
        while scope is not None:
            if scope.has(name) and (scope is self or not scope.is_class):
                return scope
            scope = scope.parent
        return None

    def outwards(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


@dataclass(eq=False)
class SourceFile:
    """`attributes` are the values of attributes by their name, and of items by `name[]`, whatever they are of."""

    path: Path
    scopes: list[Scope] = field(default_factory=list)
    guards: list[Scope] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)
    attributes: dict[str, list[Assigned]] = field(default_factory=dict)
    names: list[tuple[ast.Name | ast.Attribute, Scope]] = field(default_factory=list)
    items: list[tuple[ast.Subscript, Scope]] = field(default_factory=list)

    @property
    def module(self) -> Scope:
        return self.scopes[0]


def scopes_of(path: Path, tree: ast.Module) -> SourceFile:
    file = SourceFile(path)
    _Walk(file).run(tree)
    return file


def plain(node: ast.AST | None) -> str:
    """The text of a dotted name; "" for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def is_main_guard(node: ast.AST) -> bool:
    """Whether it is `if __name__ == "__main__":`, in either order."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare) or len(node.test.comparators) != 1:
        return False
    sides = [node.test.left, node.test.comparators[0]]
    names = {side.id if isinstance(side, ast.Name) else getattr(side, "value", None) for side in sides}
    return isinstance(node.test.ops[0], ast.Eq) and names == {"__name__", "__main__"}


class _Walk:
    """Visits a tree without recursion: a file may nest deeper than Python's stack."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._left: list[tuple[ast.AST, Scope, bool]] = []

    def run(self, tree: ast.Module) -> None:
        module = self._scope(tree, None)
        self._push(tree.body, module, is_conditional=False)
        while self._left:
            node, scope, is_conditional = self._left.pop()
            self._visit(node, scope, is_conditional=is_conditional)

    def _push(self, nodes: Sequence[ast.AST], scope: Scope, *, is_conditional: bool) -> None:
        self._left += [(node, scope, is_conditional) for node in reversed(nodes)]

    def _scope(self, node: ast.AST, parent: Scope | None) -> Scope:
        scope = Scope(self._file, node, parent)
        self._file.scopes.append(scope)
        return scope

    def _visit(self, node: ast.AST, scope: Scope, *, is_conditional: bool) -> None:
        if isinstance(node, Definition):
            self._define(node, scope)
        elif is_main_guard(node) and isinstance(node, ast.If):
            self._guard(node, scope)
        else:
            _note(node, scope, is_conditional=is_conditional)
            inside = is_conditional or isinstance(node, _CONDITIONAL)
            self._push(list(ast.iter_child_nodes(node)), scope, is_conditional=inside)

    def _define(self, node: Definition, scope: Scope) -> None:
        inner = self._scope(node, scope)
        outside: list[ast.AST] = []
        if isinstance(node, ast.ClassDef):
            outside += [*node.decorator_list, *node.bases, *node.keywords]
        else:
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg)
            inner.parameters = {argument.arg: argument for argument in every if argument is not None}
            outside += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        if isinstance(node, ast.Lambda):
            self._push([node.body], inner, is_conditional=False)
        else:
            scope.defined[node.name] = inner
            self._push(node.body, inner, is_conditional=False)
        if isinstance(node, Function):
            outside += node.decorator_list
        self._push(outside, scope, is_conditional=False)

    def _guard(self, node: ast.If, scope: Scope) -> None:
        guard = self._scope(node, scope)
        guard.assigned, guard.annotated, guard.imported = scope.assigned, scope.annotated, scope.imported
        guard.defined, guard.changes = scope.defined, scope.changes
        self._file.guards.append(guard)
        self._push(node.orelse, scope, is_conditional=True)
        self._push(node.body, guard, is_conditional=False)


def _note(node: ast.AST, scope: Scope, *, is_conditional: bool) -> None:
    """What a node that opens no scope does in its own."""
    if isinstance(node, ast.stmt):
        _note_statement(node, scope, is_conditional=is_conditional)
    elif isinstance(node, ast.Name | ast.Attribute):
        scope.file.names.append((node, scope))
    elif isinstance(node, ast.NamedExpr):
        _bind(node.target, node.value, scope, is_conditional=is_conditional)
    elif isinstance(node, ast.Call):
        scope.calls.append(node)
        _note_update(node, scope, is_conditional=is_conditional)
    elif isinstance(node, ast.comprehension):
        scope.iterated.add(node.iter)
        _bind(node.target, None, scope, is_conditional=is_conditional)
    elif isinstance(node, ast.Yield | ast.YieldFrom):
        scope.is_generator = True
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        _bind(node.optional_vars, None, scope, is_conditional=is_conditional)


def _note_statement(node: ast.stmt, scope: Scope, *, is_conditional: bool) -> None:
    if isinstance(node, ast.Global):
        scope.declared_global.update(node.names)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        _import(node, scope)
    elif isinstance(node, ast.Return):
        scope.returned += [node.value] if node.value is not None else []
    elif isinstance(node, ast.For | ast.AsyncFor):
        scope.iterated.add(node.iter)
    for target, value in _given(node):
        _bind(target, value, scope, is_conditional=is_conditional)
    if isinstance(node, ast.AnnAssign):
        _annotate(node, scope)


def _annotate(node: ast.AnnAssign, scope: Scope) -> None:
    if isinstance(node.target, ast.Name):
        _home(scope, node.target.id).annotated[node.target.id] = node.annotation
    elif isinstance(node.target, ast.Attribute) and scope.parent is not None and scope.parent.is_class:
        scope.parent.annotated[node.target.attr] = node.annotation  # `self.name: Type`


def _given(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """The targets of a statement, each with the value it gets."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign):
        yield from [(node.target, node.value)] if node.value is not None else []
    elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor):
        yield node.target, None
    elif isinstance(node, ast.Delete):
        yield from ((target, None) for target in node.targets)


def _note_update(node: ast.Call, scope: Scope, *, is_conditional: bool) -> None:
    """`name.update(key=value)`, `name.update({"key": value})`."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr != "update":
        return
    found: list[tuple[Any, Any]] = []
    for word in node.keywords:
        found.append((ast.Constant(word.arg), word.value) if word.arg else (word.value, None))
    for given in node.args:
        found += zip(given.keys, given.values, strict=True) if isinstance(given, ast.Dict) else [(given, None)]
    changes = scope.changes.setdefault(plain(node.func.value), [])
    changes += [Change(key or value, value if key else None, is_conditional, node.lineno) for key, value in found]


def _home(scope: Scope, name: str) -> Scope:
    return scope.file.module if name in scope.declared_global else scope


def _bind(target: ast.expr, value: ast.expr | None, scope: Scope, *, is_conditional: bool) -> None:
    left: list[tuple[ast.expr, ast.expr | None]] = [(target, value)]
    while left:
        target, value = left.pop()
        if isinstance(target, ast.Tuple | ast.List):
            left += _pairs(target, value)
        elif isinstance(target, ast.Starred):
            left.append((target.value, None))
        elif isinstance(target, ast.Name):
            _home(scope, target.id).assigned.setdefault(target.id, []).append(Assigned(value, scope))
        else:
            _change(cast("ast.Attribute | ast.Subscript", target), value, scope, is_conditional=is_conditional)


def _pairs(target: ast.Tuple | ast.List, value: ast.expr | None) -> list[tuple[ast.expr, ast.expr | None]]:
    is_alike = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
    values = value.elts if isinstance(value, ast.Tuple | ast.List) and is_alike else [None] * len(target.elts)
    return list(zip(target.elts, values, strict=True))


def _change(
    target: ast.Attribute | ast.Subscript, value: ast.expr | None, scope: Scope, *, is_conditional: bool
) -> None:
    whole: str = plain(target.value)
    key: ast.expr = getattr(target, "slice", target)
    if isinstance(target, ast.Attribute):
        key, name = ast.Constant(target.attr), target.attr
    else:
        name = f"{whole.rpartition('.')[2]}[]"
        scope.file.items.append((target, scope))
    scope.changes.setdefault(whole, []).append(Change(key, value, is_conditional, target.lineno))
    scope.file.attributes.setdefault(name, []).append(Assigned(value, scope))


def _import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            scope.imported[alias.asname or first] = alias.name if alias.asname else first
        return
    for alias in node.names:
        if alias.name == "*":
            scope.file.stars.append(node.module or "")
        else:
            scope.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}" if node.module else alias.name
