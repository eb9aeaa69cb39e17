"""The arguments of an engine's construction, as far as the text says them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handrail.adoption.objects import FROM_CONFIG, Made
from handrail.adoption.scopes import Assigned, Scope, plain
from handrail.adoption.values import UnreadError, Values, attributes_of

_ARGUMENTS = ("EngineArgs", "AsyncEngineArgs")
_CONFIG = "create_engine_config"
_DEEPEST = 8


@dataclass
class GivenArguments:
    """Arguments by name, and the names of those whose value the text does not say; `**name` is a mapping of them."""

    arguments: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, node: ast.expr | None, scope: Scope, values: Values) -> None:
        try:
            self.put(name, values.of(node, scope))
        except UnreadError:
            self.leave(name)

    def put(self, name: str, value: Any) -> None:
        self.arguments[name] = value
        self.unread.pop(name, None)

    def leave(self, name: str) -> None:
        self.arguments.pop(name, None)
        self.unread[name] = None

    def update(self, other: GivenArguments) -> None:
        for name, value in other.arguments.items():
            self.put(name, value)
        for name in other.unread:
            self.leave(name)


class EngineArguments:
    def __init__(self, values: Values) -> None:
        self._values = values

    def of(self, made: Made, call: ast.Call, scope: Scope) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        given = self._of_factory(made, call, scope) if made.factory else self._of_call(call, scope)
        return given.arguments, tuple(given.unread)

    def _of_factory(self, made: Made, call: ast.Call, scope: Scope) -> GivenArguments:
        name = "vllm_config" if made.factory == FROM_CONFIG else "engine_args"
        words = {word.arg: word.value for word in call.keywords if word.arg}
        node = words.get(name) or next(iter(call.args), None)
        return self._of_object(node, scope)

    def _of_call(self, call: ast.Call, scope: Scope) -> GivenArguments:
        """Of `LLM(…)`, `AsyncEngineArgs(…)` and `dict(…)`."""
        given = GivenArguments()
        for number, argument in enumerate(call.args):
            if number == 0 and not isinstance(argument, ast.Starred):
                given.add("model", argument, scope, self._values)
            else:
                given.leave(f"*{_text(getattr(argument, 'value', argument))}")
        self._add_words(given, call, scope)
        return given

    def _add_words(self, given: GivenArguments, call: ast.Call, scope: Scope) -> None:
        for word in call.keywords:
            if word.arg is None:
                given.update(self._of_mapping(word.value, scope))
            else:
                given.add(word.arg, word.value, scope, self._values)

    def _of_object(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> GivenArguments:
        """Of an `AsyncEngineArgs(…)`, where it is made or by its name, and of the configuration it makes."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _CONFIG:
            return self._of_object(node.func.value, scope, depth)
        if isinstance(node, ast.Call) and self._values.dotted(node.func, scope).rpartition(".")[2] in _ARGUMENTS:
            return self._of_call(node, scope)
        made = self._value_of(node, scope)
        if made is None or depth >= _DEEPEST:
            return GivenArguments(unread={f"**{_text(node)}": None})
        given = self._of_object(made.value, made.scope, depth + 1)
        self._change(given, node, made, scope)
        return given

    def _of_mapping(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> GivenArguments:
        given = GivenArguments()
        if isinstance(node, ast.Dict):
            self._add_items(given, node, scope, depth)
            return given
        if isinstance(node, ast.Call) and self._values.dotted(node.func, scope) == "dict" and not node.args:
            self._add_words(given, node, scope)
            return given
        made = self._value_of(node, scope)
        if made is None or depth >= _DEEPEST:
            return self._of_value(node, scope)
        given = self._of_mapping(made.value, made.scope, depth + 1)
        self._change(given, node, made, scope)
        return given

    def _of_value(self, node: ast.expr | None, scope: Scope) -> GivenArguments:
        try:
            read = self._values.of(node, scope)
        except UnreadError:
            read = None
        return (
            GivenArguments(read)
            if isinstance(read, dict) and all(isinstance(key, str) for key in read)
            else _nothing(node)
        )

    def _add_items(self, given: GivenArguments, node: ast.Dict, scope: Scope, depth: int) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            name = self._key(key, scope)
            if key is None and depth < _DEEPEST:
                given.update(self._of_mapping(value, scope, depth + 1))
            elif name is None:
                given.leave(f"**{_text(key)}")
            else:
                given.add(name, value, scope, self._values)

    def _key(self, node: ast.expr | None, scope: Scope) -> str | None:
        try:
            key = self._values.of(node, scope)
        except UnreadError:
            return None
        return key if isinstance(key, str) else None

    def _value_of(self, node: ast.expr | None, scope: Scope) -> Assigned | None:
        """What a name, or an attribute of `self`, gets once."""
        whole = plain(node)
        first, _, rest = whole.partition(".")
        owner = scope.owner(first) if first else None
        if owner is None:
            return None
        values = owner.assigned.get(first, [])
        if rest:
            of = owner.parent if first in owner.parameters else None
            values = attributes_of(of, rest) if of is not None and of.is_class else []
        made = [one for one in values if one.value is not None]
        return made[0] if len(made) == 1 and len(values) == 1 else None

    def _change(self, given: GivenArguments, node: ast.expr | None, made: Assigned, scope: Scope) -> None:
        """What is set on an object after it was made, until it is used."""
        name = plain(node)
        changed = {id(place): place for place in (made.scope, scope)}.values()
        for change in sorted((one for place in changed for one in place.changes.get(name, [])), key=_line):
            if change.line > getattr(node, "lineno", 0) and scope is made.scope:
                continue
            key = self._key(change.key, scope)
            if key is None or change.value is None or change.is_conditional:
                given.leave(key or f"**{_text(change.key)}")
            else:
                given.add(key, change.value, scope, self._values)


def _nothing(node: ast.expr | None) -> GivenArguments:
    return GivenArguments(unread={f"**{_text(node)}": None})


def _line(change: Any) -> int:
    return int(change.line)


def _text(node: ast.AST | None) -> str:
    """A name for an expression in a report."""
    return plain(node) or getattr(node, "id", "") or "…"
