"""Where code runs: at import, with the main guard, or later in a function."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from handrail.adoption.analysis import Analysis
from handrail.adoption.scopes import Scope
from handrail.core.slots import Slot

#: Names that the server calls itself, whoever names them in the script.
SERVED = frozenset(
    {
        *("Model", "EndpointHandler", "PreTrainedPipeline", "handle", *(slot.function for slot in Slot)),
        *("pre_model_fn", "model_fn", "model_warmup_fn", "input_fn", "predict_fn", "output_fn", "transform_fn"),
    }
)


class BuildPlaces:
    """The places of code, where `guards` run."""

    def __init__(self, found: Analysis, guards: Sequence[Scope]) -> None:
        self._guards = set(guards)
        self._users: dict[Scope, list[Scope]] = {}
        for node, scope in (one for file in found.files for one in file.names):
            definition = found.objects.definition(node, scope) if isinstance(node.ctx, ast.Load) else None
            if definition is not None and definition not in scope.outwards():
                self._users.setdefault(definition, []).append(scope)
        self._guarded = self._only_guarded()

    def of(self, scope: Scope) -> str:
        """`module`, `guard` or `function`."""
        if self._is_in(scope, self._guarded):
            return "guard"
        return "function" if any(one.is_function for one in scope.outwards()) else "module"

    def reaches(self, scope: Scope) -> bool:
        """Whether the guards may run code of the scope: they name it, directly or through what they name."""
        reached: set[Scope] = set()
        while True:
            more = {one for one, users in self._users.items() if any(self._is_in(user, reached) for user in users)}
            if more <= reached:
                return self._is_in(scope, reached)
            reached |= more

    def _only_guarded(self) -> set[Scope]:
        """The functions and classes of modules that only the guards name, directly or through one of them."""
        plain = {one for one in self._users if not _is_served(one.node)}
        guarded = {one for one in plain if one.parent is not None and one.parent.parent is None}
        while True:
            kept = {one for one in guarded if all(self._is_in(user, guarded) for user in self._users[one])}
            if kept == guarded:
                return kept
            guarded = kept

    def _is_in(self, scope: Scope, definitions: set[Scope]) -> bool:
        return any(one in self._guards or one in definitions for one in scope.outwards())


def _is_served(node: ast.AST) -> bool:
    return bool(getattr(node, "decorator_list", [])) or getattr(node, "name", None) in SERVED
