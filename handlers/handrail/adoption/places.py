"""Where code runs: at import, with the main guard, or later in a function."""

from __future__ import annotations

import ast

from handrail.adoption.objects import Objects
from handrail.adoption.scopes import Scope, SourceFile


class BuildPlaces:
    def __init__(self, files: list[SourceFile], objects: Objects) -> None:
        self._guards = {guard for file in files for guard in file.guards}
        self._named: dict[Scope, list[Scope]] = {}
        for file in files:
            for node, scope in file.names:
                definition = objects.definition(node, scope) if isinstance(node.ctx, ast.Load) else None
                if definition is not None and definition not in scope.outwards():
                    self._named.setdefault(definition, []).append(scope)
        self._guarded = self._only_guarded()

    def of(self, scope: Scope) -> str:
        """`module`, `guard` or `function`."""
        if self._is_guarded(scope, self._guarded):
            return "guard"
        return "function" if any(one.is_function for one in scope.outwards()) else "module"

    def _only_guarded(self) -> set[Scope]:
        """The functions and classes of modules that only the guard names, directly or through one of them."""
        plain = {one for one in self._named if not getattr(one.node, "decorator_list", [])}
        guarded = {one for one in plain if one.parent is not None and one.parent.parent is None}
        while True:
            kept = {one for one in guarded if all(self._is_guarded(user, guarded) for user in self._named[one])}
            if kept == guarded:
                return kept
            guarded = kept

    def _is_guarded(self, scope: Scope, guarded: set[Scope]) -> bool:
        return any(one in self._guards or one in guarded for one in scope.outwards())
