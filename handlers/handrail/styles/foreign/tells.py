"""Matchers that recognise a dialect in a file: each yields the lines and names that it finds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from handrail.styles.foreign.outline import Function, Outline


class Sign(NamedTuple):
    """A match: `line`, and the code there. It is `sure` if only this dialect is written so."""

    line: int
    what: str
    sure: bool


@dataclass(frozen=True)
class Functions:
    """Top-level functions of these names. Imported functions count too if the names are `sure` (unique to the dialect).

    `first` restricts the name of the first parameter; with `all`, all functions have to exist.
    """

    names: tuple[str, ...]
    sure: bool = True
    first: tuple[str, ...] = ()
    all: bool = False

    def find(self, outline: Outline) -> Iterator[Sign]:
        signs = [Sign(node.lineno, f"`{name}`", self.sure) for name, node in self._defined(outline)]
        if self.sure:
            imported = ((name, outline.imported[name][1]) for name in self.names if name in outline.imported)
            signs += [Sign(line, f"`{name}`", True) for name, line in imported]
        if not self.all or len(signs) == len(self.names):
            yield from signs

    def _defined(self, outline: Outline) -> Iterator[tuple[str, Function]]:
        for name in self.names:
            node = outline.functions.get(name)
            if node is not None and (not self.first or _first_parameter(node) in self.first):
                yield name, node


def _first_parameter(node: Function) -> str:
    parameters = [*node.args.posonlyargs, *node.args.args]
    return parameters[0].arg if parameters else ""


@dataclass(frozen=True)
class Classes:
    """Top-level classes of these names, with one of `methods` (if given) and none of `without`."""

    names: tuple[str, ...]
    sure: bool = True
    methods: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def find(self, outline: Outline) -> Iterator[Sign]:
        for name in self.names:
            node = outline.classes.get(name)
            if node is not None and self._fits({part.name for part in node.body if isinstance(part, Function)}):
                yield Sign(node.lineno, f"`class {name}`", self.sure)

    def _fits(self, methods: set[str]) -> bool:
        return (not self.methods or bool(methods & set(self.methods))) and not methods & set(self.without)


@dataclass(frozen=True)
class Bases:
    """Classes that inherit from one of these: `package:Name`, from any module of the package."""

    names: tuple[str, ...]

    def find(self, outline: Outline) -> Iterator[Sign]:
        for name, node in outline.classes.items():
            for base in node.bases:
                if _is_of(outline.dotted(base), self.names):
                    yield Sign(node.lineno, f"`class {name}({ast.unparse(base)})`", True)


@dataclass(frozen=True)
class Decorators:
    """Functions and classes decorated with one of these, `package:name`."""

    names: tuple[str, ...]

    def find(self, outline: Outline) -> Iterator[Sign]:
        for decorator, node in outline.decorators():
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if _is_of(outline.dotted(target), self.names):
                yield Sign(node.lineno, f"`@{ast.unparse(target)}`", True)


@dataclass(frozen=True)
class Calls:
    """Top-level calls of one of these, `package:name`."""

    names: tuple[str, ...]
    sure: bool = True

    def find(self, outline: Outline) -> Iterator[Sign]:
        for call in outline.calls:
            if _is_of(call.name, self.names):
                yield Sign(call.line, f"`{call.name}(…)`", self.sure)


@dataclass(frozen=True)
class Imports:
    """Imports of these packages."""

    packages: tuple[str, ...]

    def find(self, outline: Outline) -> Iterator[Sign]:
        for name, line in outline.imported.values():
            if name.partition(".")[0] in self.packages:
                yield Sign(line, f"`import {name}`", True)


@dataclass(frozen=True)
class ServedPaths:
    """Functions that a web framework's decorator maps to one of these paths."""

    paths: tuple[str, ...]

    def find(self, outline: Outline) -> Iterator[Sign]:
        for decorator, node in outline.decorators():
            arguments = decorator.args if isinstance(decorator, ast.Call) else []
            for argument in arguments:
                if isinstance(argument, ast.Constant) and argument.value in self.paths:
                    yield Sign(node.lineno, f"`@{ast.unparse(decorator)}`", True)


Tell = Functions | Classes | Bases | Decorators | Calls | Imports | ServedPaths


def _is_of(dotted: str, names: tuple[str, ...]) -> bool:
    """Whether `dotted` is `package.….name` for one of the names `package:name`."""
    package, _, rest = dotted.partition(".")
    return f"{package}:{rest.rpartition('.')[2]}" in names
