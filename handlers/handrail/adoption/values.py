"""The values of expressions, as far as the text says them."""

from __future__ import annotations

import ast
import operator
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from handrail.adoption.scopes import Assigned, Scope, SourceFile, plain

#: Expressions that are read in one directory: a few hundred are in a large script.
_BUDGET = 50_000
_DEEPEST = 24
_LONGEST = 4_096
_LARGEST = 2**53
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_MAKERS: Mapping[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict,
    "list": list,
    "tuple": tuple,
    "pathlib.Path": Path,
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.abspath": os.path.abspath,
}
#: What is read of a value: its attributes, and its methods that take nothing.
_PARTS = {PurePath: ("parent", "name", "stem")}
_METHODS = {str: ("strip", "lower", "upper"), PurePath: ("resolve", "absolute", "as_posix")}
_READS = ("os.environ.get", "os.getenv")
#: Types of numbers that torch has a name for.
_DTYPES = ("float16", "bfloat16", "float32", "half", "float")


class UnreadError(Exception):
    """The text does not say the value."""


class Values:
    """`environment` is None where reads of variables are left unread; `changed` are variables that the text sets."""

    def __init__(self, files: list[SourceFile], environment: Mapping[str, str] | None, changed: frozenset[str]) -> None:
        self._by_name = {file.path.stem: file for file in files}
        self._environment, self._changed = environment, changed
        self._left, self._depth = _BUDGET, 0

    def of(self, node: ast.expr | None, scope: Scope) -> Any:
        """Raises UnreadError."""
        reader = _READERS.get(type(node))
        if reader is None or node is None or self._left <= 0 or self._depth >= _DEEPEST:
            raise UnreadError
        self._left -= 1
        self._depth += 1
        try:
            return _small(reader(self, node, scope))
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError, RuntimeError) as error:
            raise UnreadError from error  # the script raises the same where it runs
        finally:
            self._depth -= 1

    def dotted(self, node: ast.expr, scope: Scope, depth: int = 0) -> str:
        """The dotted name of `node`, as imported; "" if it is none, or a name of the file's own."""
        first, _, rest = plain(node).partition(".")
        owner = scope.owner(first) if first else None
        if owner is None:
            return plain(node)
        if first in owner.imported:
            return f"{owner.imported[first]}.{rest}" if rest else owner.imported[first]
        values = owner.assigned.get(first, [])
        if len(values) != 1 or values[0].value is None or depth >= _DEEPEST or first in owner.parameters:
            return ""
        alias = self.dotted(values[0].value, values[0].scope, depth + 1)
        return f"{alias}.{rest}" if alias and rest else alias

    def elsewhere(self, dotted: str) -> tuple[Scope, str] | None:
        """The module of the same files that a dotted name is of, and the name in it."""
        parts = dotted.split(".")
        for number in range(len(parts) - 1, 0, -1):
            file = self._by_name.get(parts[number - 1])
            if file is not None:
                return file.module, ".".join(parts[number:])
        return None

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        owner = scope.owner(node.id)
        if owner is None:
            return self._builtin(node.id, scope)
        if node.id in owner.parameters:
            raise UnreadError
        if node.id in owner.imported:
            return self._of_sibling(owner.imported[node.id])
        return self._only(owner.assigned.get(node.id, []))

    def _builtin(self, name: str, scope: Scope) -> Any:
        if name != "__file__":
            raise UnreadError
        return str(scope.file.path)

    def _of_sibling(self, dotted: str) -> Any:
        found = self.elsewhere(dotted)
        if found is None:
            raise UnreadError
        module, name = found
        first, _, rest = name.partition(".")
        if rest:
            return self._only(module.defined[first].assigned.get(rest, []))
        return self._only(module.assigned.get(first, []))

    def _only(self, values: list[Assigned]) -> Any:
        """The value of what is assigned once, or always the same."""
        if not values:
            raise UnreadError
        read = [self.of(value, scope) for value, scope in values]
        if any(one != read[0] or type(one) is not type(read[0]) for one in read):
            raise UnreadError
        return read[0]

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        dotted = self.dotted(node, scope)
        if dotted.startswith("torch.") and dotted.removeprefix("torch.") in _DTYPES:
            return dotted.removeprefix("torch.")
        if dotted and self.elsewhere(dotted):
            return self._of_sibling(dotted)
        owner = self._class_of(node.value, scope)
        if owner is not None:
            return self._only(attributes_of(owner, node.attr))
        value = self.of(node.value, scope)
        if any(isinstance(value, kind) and node.attr in parts for kind, parts in _PARTS.items()):
            return getattr(value, node.attr)
        raise UnreadError

    def _class_of(self, node: ast.expr, scope: Scope) -> Scope | None:
        """The class that `node` names, or of whose method it is the first parameter."""
        owner = scope.owner(node.id) if isinstance(node, ast.Name) else None
        if owner is None or not isinstance(node, ast.Name):
            return None
        found = owner.defined.get(node.id) or of_first_parameter(node.id, owner)
        return found if found is not None and found.is_class else None

    def _item(self, node: ast.Subscript, scope: Scope) -> Any:
        key = self.of(node.slice, scope)
        if self.dotted(node.value, scope) == "os.environ":
            return self._variable(key)
        return self.of(node.value, scope)[key]

    def _variable(self, name: Any, *default: Any) -> Any:
        if self._environment is None or name in self._changed:
            raise UnreadError
        return self._environment.get(name, *default) if default else self._environment[name]

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        dotted = self.dotted(node.func, scope)
        if dotted in _READS:
            given = [self.of(argument, scope) for argument in (*node.args, *(word.value for word in node.keywords))]
            return self._variable(*given) if len(given) > 1 else self._variable(*given, None)
        if dotted in _MAKERS:
            words: dict[Any, Any] = {}
            for word in node.keywords:
                words |= {word.arg: self.of(word.value, scope)} if word.arg else self.of(word.value, scope)
            return _MAKERS[dotted](*(self.of(argument, scope) for argument in node.args), **words)
        return self._method(node, scope)

    def _method(self, node: ast.Call, scope: Scope) -> Any:
        if not isinstance(node.func, ast.Attribute) or node.keywords:
            raise UnreadError
        value = self.of(node.func.value, scope)
        if isinstance(value, dict) and node.func.attr == "get":
            return value.get(*(self.of(argument, scope) for argument in node.args))
        if any(isinstance(value, kind) and node.func.attr in names for kind, names in _METHODS.items()):
            return getattr(value, node.func.attr)(*(self.of(argument, scope) for argument in node.args))
        raise UnreadError

    def _text(self, node: ast.JoinedStr, scope: Scope) -> str:
        return "".join(map(str, (self.of(part, scope) for part in node.values)))

    def _formatted(self, node: ast.FormattedValue, scope: Scope) -> str:
        if node.format_spec is not None or node.conversion != -1:
            raise UnreadError
        return str(self.of(node.value, scope))

    def _either(self, node: ast.BoolOp, scope: Scope) -> Any:
        is_or, value = isinstance(node.op, ast.Or), None
        for each in node.values:
            value = self.of(each, scope)
            if bool(value) is is_or:
                break
        return value

    def _binary(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.of(node.left, scope), self.of(node.right, scope)
        if isinstance(node.op, ast.Mult) and not isinstance(left, int | float):
            raise UnreadError
        if isinstance(node.op, ast.Mult) and not isinstance(right, int | float):
            raise UnreadError
        return _OPERATORS[type(node.op)](left, right)

    def _unary(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.of(node.operand, scope)
        if isinstance(node.op, ast.Not):
            return not value
        if isinstance(node.op, ast.USub):
            return -value
        raise UnreadError

    def _list(self, node: ast.List | ast.Tuple, scope: Scope) -> Any:
        values = [self.of(each, scope) for each in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)

    def _dict(self, node: ast.Dict, scope: Scope) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            found |= self.of(value, scope) if key is None else {self.of(key, scope): self.of(value, scope)}
        return found


_READERS: Mapping[Any, Callable[[Values, Any, Scope], Any]] = {
    ast.Constant: lambda _, node, scope: node.value,
    ast.Name: Values._name,
    ast.Attribute: Values._attribute,
    ast.Subscript: Values._item,
    ast.Call: Values._call,
    ast.JoinedStr: Values._text,
    ast.FormattedValue: Values._formatted,
    ast.BoolOp: Values._either,
    ast.BinOp: Values._binary,
    ast.UnaryOp: Values._unary,
    ast.List: Values._list,
    ast.Tuple: Values._list,
    ast.Dict: Values._dict,
}


def _small(value: Any) -> Any:
    """Raises UnreadError if the value is larger than any that is written by hand."""
    if isinstance(value, str | list | tuple | dict) and len(value) > _LONGEST:
        raise UnreadError
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise UnreadError
    return value


def of_first_parameter(name: str, function: Scope) -> Scope | None:
    """The class, where `name` is the first parameter of one of its methods: `self`, or `cls`."""
    if function.parent is None or not function.parent.is_class or next(iter(function.parameters), None) != name:
        return None
    return function.parent


def attributes_of(owner: Scope, name: str) -> list[Assigned]:
    """What a class, or a method of it, assigns to the attribute."""
    elsewhere = owner.file.attributes.get(name, [])
    return owner.assigned.get(name, []) + [one for one in elsewhere if owner in one.scope.outwards()]
