"""What objects are, as far as the text says it: engines of vLLM, and objects of the files' own classes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from handrail.adoption.scopes import Assigned, Scope, SourceFile, plain
from handrail.adoption.values import Values, attributes_of, of_first_parameter
from handrail.core.source import parsed_expression

#: vLLM's engine classes.
ENGINES = frozenset({"LLM", "AsyncLLMEngine", "AsyncLLM", "LLMEngine"})
FROM_CONFIG = "from_vllm_config"
FACTORIES = frozenset({"from_engine_args", FROM_CONFIG})
_BUDGET = 50_000
_DEEPEST = 12
_PROPERTIES = ("property", "functools.cached_property")

#: The name of a class of vLLM's, or the scope of a class of the files.
Kind = str | Scope


class Made(NamedTuple):
    """What a call constructs: an engine of vLLM's class `engine`, by its constructor or by `factory`. `own` is the
    subclass of the script's."""

    engine: str
    factory: str
    own: Scope | None

    @property
    def name(self) -> str:
        return f"{self.engine}.{self.factory}" if self.factory else self.engine


class Objects:
    def __init__(self, files: list[SourceFile], values: Values) -> None:
        self._files, self._values = files, values
        self._left, self._depth = _BUDGET, 0
        self._callers: dict[Scope, list[tuple[ast.Call, Scope]]] = {}
        self._attributes: dict[str, list[Assigned]] = {}
        for file in files:
            self._add(file)

    def _add(self, file: SourceFile) -> None:
        for name, values in file.attributes.items():
            self._attributes.setdefault(name, []).extend(values)
        for scope in file.scopes:
            for call in scope.calls:
                called = self.definition(call.func, scope)
                for one in self._with_bases(called) if called is not None else ():
                    self._callers.setdefault(one, []).append((call, scope))

    def made(self, call: ast.Call, scope: Scope) -> Made | None:
        """The engine that a call constructs."""
        func = call.func
        engine, own = self._engine_class(func, scope)
        if engine:
            return Made(engine, "", own)
        if isinstance(func, ast.Attribute) and func.attr in FACTORIES:
            engine, own = self._engine_class(func.value, scope)
        return Made(engine, func.attr, own) if engine and isinstance(func, ast.Attribute) else None

    def engine_of(self, owner: Scope, depth: int = 0) -> str:
        """The engine class that a class of the script's inherits from; "" if none."""
        bases = owner.node.bases if isinstance(owner.node, ast.ClassDef) and owner.parent and depth < _DEEPEST else ()
        for base in bases:
            engine, _ = self._engine_class(base, owner.parent or owner, depth + 1)
            if engine:
                return engine
        return ""

    def _engine_class(self, node: ast.expr, scope: Scope, depth: int = 0) -> tuple[str, Scope | None]:
        dotted = self._values.dotted(node, scope)
        engine = engine_named(dotted, scope.file.stars)
        if engine:
            return engine, None
        own = self.definition(node, scope)
        return (self.engine_of(own, depth), own) if own is not None and own.is_class else ("", None)

    def definition(self, node: ast.expr, scope: Scope) -> Scope | None:
        """The class or function of the files that an expression names."""
        first, _, rest = plain(node).partition(".")
        owner = scope.owner(first) if first else None
        if owner is not None and not rest and first in owner.defined:
            return owner.defined[first]
        dotted = self._values.dotted(node, scope)
        if owner is None or not dotted:
            return None
        if "." not in dotted:  # another name of it
            return owner.defined.get(dotted)
        found = self._values.elsewhere(dotted)
        return found[0].defined.get(found[1]) if found else None

    def called(self, call: ast.Call, scope: Scope) -> Iterator[Scope]:
        """The functions of the files that a call may run."""
        named = self.definition(call.func, scope)
        if named is not None:
            yield from [named] if not named.is_class else _method(named, "__init__")
            return
        if isinstance(call.func, ast.Attribute):
            yield from self._methods(call.func.value, call.func.attr, scope)
        yield from self._methods(call.func, "__call__", scope)

    def _methods(self, node: ast.expr, name: str, scope: Scope) -> Iterator[Scope]:
        for kind in self.kinds(node, scope):
            if isinstance(kind, Scope):
                yield from [method for owner in self._with_bases(kind) for method in _method(owner, name)][:1]

    def _with_bases(self, owner: Scope) -> list[Scope]:
        """A class and those it inherits from; a function alone."""
        found = [owner]
        for one in found:
            bases = one.node.bases if isinstance(one.node, ast.ClassDef) else []
            above = (self.definition(base, one.parent or one) for base in bases)
            found += [base for base in above if base is not None and base not in found]
        return found

    def kinds(self, node: ast.expr | None, scope: Scope) -> frozenset[Kind]:
        """What an expression may be."""
        reader = _READERS.get(type(node))
        if reader is None or self._left <= 0 or self._depth >= _DEEPEST:
            return frozenset()
        self._left -= 1
        self._depth += 1
        try:
            return reader(self, node, scope)
        finally:
            self._depth -= 1

    def _any(self, values: list[Assigned]) -> frozenset[Kind]:
        return frozenset().union(*(self.kinds(value, scope) for value, scope in values))

    def _name(self, node: ast.Name, scope: Scope) -> frozenset[Kind]:
        owner = scope.owner(node.id)
        if owner is None:
            return frozenset()
        if node.id in owner.defined:
            return frozenset({owner.defined[node.id]} if owner.defined[node.id].is_class else ())
        if node.id in owner.imported:
            found = self._values.elsewhere(owner.imported[node.id])
            return self._any(found[0].assigned.get(found[1], [])) if found else frozenset()
        kinds = self._any(owner.assigned.get(node.id, [])) | self._annotated(owner.annotated.get(node.id), owner)
        return kinds | self._parameter(node.id, owner) if node.id in owner.parameters else kinds

    def _parameter(self, name: str, owner: Scope) -> frozenset[Kind]:
        of = of_first_parameter(name, owner)
        if of is not None:
            engine = self.engine_of(of)
            return frozenset({of, engine} if engine else {of})
        given = (self._given(name, owner, call, scope) for call, scope in self._calls_of(owner))
        return self._annotated(owner.parameters[name].annotation, owner) | frozenset().union(*given)

    def _calls_of(self, function: Scope) -> list[tuple[ast.Call, Scope]]:
        of_class = getattr(function.node, "name", "") == "__init__" and function.parent
        return self._callers.get(of_class or function, [])

    def _given(self, name: str, owner: Scope, call: ast.Call, scope: Scope) -> frozenset[Kind]:
        """What a call gives a parameter."""
        names = list(owner.parameters)[1 if owner.parent and owner.parent.is_class else 0 :]
        place = names.index(name)
        words = [word.value for word in call.keywords if word.arg == name]
        values = [*words, *call.args[place : place + 1]]
        return frozenset().union(*(self.kinds(value, scope) for value in values))

    def _annotated(self, annotation: ast.expr | None, scope: Scope) -> frozenset[Kind]:
        """What an annotation says, `LLM`, `"LLM"` or `LLM | None`."""
        if isinstance(annotation, ast.BinOp):
            return self._annotated(annotation.left, scope) | self._annotated(annotation.right, scope)
        if isinstance(annotation, ast.Subscript):
            return self._annotated(annotation.slice, scope)
        if isinstance(annotation, ast.Tuple):
            return frozenset().union(*(self._annotated(each, scope) for each in annotation.elts))
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return self._annotated(parsed_expression(annotation.value), scope)
        if annotation is None or not plain(annotation):
            return frozenset()
        engine, own = self._engine_class(annotation, scope)
        own = own or self.definition(annotation, scope)
        return frozenset(filter(None, (engine, own if own is not None and own.is_class else None)))

    def _call(self, node: ast.Call, scope: Scope) -> frozenset[Kind]:
        made = self.made(node, scope)
        if made is not None:
            return frozenset({made.engine, made.own} if made.own is not None else {made.engine})
        named = self.definition(node.func, scope)
        if named is not None and named.is_class:
            return frozenset({named})
        return frozenset().union(*(self._returned(one) for one in self.called(node, scope)))

    def _returned(self, function: Scope) -> frozenset[Kind]:
        returned = self._any([Assigned(value, function) for value in function.returned])
        annotation = getattr(function.node, "returns", None)
        return returned | (self._annotated(annotation, function.parent) if function.parent else frozenset())

    def _attribute(self, node: ast.Attribute, scope: Scope) -> frozenset[Kind]:
        found = self._values.elsewhere(self._values.dotted(node, scope))
        if found is not None:
            return self._any(found[0].assigned.get(found[1], []))
        kinds = frozenset().union(*(self._member(of, node.attr) for of in self.kinds(node.value, scope)))
        return kinds or self._any(self._attributes.get(node.attr, []))

    def _member(self, of: Kind, name: str) -> frozenset[Kind]:
        if not isinstance(of, Scope):
            return frozenset()
        return frozenset().union(*(self._own_member(owner, name) for owner in self._with_bases(of)))

    def _own_member(self, of: Scope, name: str) -> frozenset[Kind]:
        kinds = self._any(attributes_of(of, name)) | self._annotated(of.annotated.get(name), of)
        for method in _method(of, name):
            decorators = getattr(method.node, "decorator_list", [])
            if any(self._values.dotted(decorator, of) in _PROPERTIES for decorator in decorators):
                kinds |= self._returned(method)
        return kinds

    def _item(self, node: ast.Subscript, scope: Scope) -> frozenset[Kind]:
        name = plain(node.value).rpartition(".")[2]
        return self._any(self._attributes.get(f"{name}[]", [])) | self.kinds(node.value, scope)

    def _either(self, node: ast.expr, scope: Scope) -> frozenset[Kind]:
        """Of an expression that gives one of its parts, or holds them."""
        parts = (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
        return frozenset().union(*(self.kinds(part, scope) for part in parts))


_READERS: Mapping[Any, Callable[[Objects, Any, Scope], frozenset[Kind]]] = {
    ast.Name: Objects._name,
    ast.Call: Objects._call,
    ast.Attribute: Objects._attribute,
    ast.Subscript: Objects._item,
    ast.Await: Objects._either,
    ast.IfExp: Objects._either,
    ast.BoolOp: Objects._either,
    ast.NamedExpr: Objects._either,
    ast.Dict: Objects._either,
    ast.List: Objects._either,
    ast.Tuple: Objects._either,
}


def _method(owner: Scope, name: str) -> list[Scope]:
    return [owner.defined[name]] if name in owner.defined else []


def engine_named(dotted: str, stars: list[str]) -> str:
    """The engine class that a dotted name is; "" if none."""
    package, _, _ = dotted.partition(".")
    name = dotted.rpartition(".")[2]
    is_of_vllm = package == "vllm" if "." in dotted else any(star.partition(".")[0] == "vllm" for star in stars)
    return name if name in ENGINES and is_of_vllm else ""
