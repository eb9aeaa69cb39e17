"""Calls of vLLM's blocking methods in coroutines, which hold the event loop until the engine has answered."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from handrail.adoption.objects import Objects
from handrail.adoption.scopes import Scope, SourceFile

#: The methods that wait for the engine's answer, by class.
METHODS: Mapping[str, frozenset[str]] = {
    "LLM": frozenset(
        {"generate", "chat", "encode", "embed", "score", "classify", "reward", "beam_search", "wait_for_completion"}
    ),
    "LLMEngine": frozenset({"step"}),
}


class BlockingCalls:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._blocks: dict[Scope, bool] = {}

    def in_coroutines(self, files: list[SourceFile]) -> Iterator[tuple[SourceFile, int]]:
        """The file and line of each call in an `async def` that blocks."""
        for file in files:
            for scope in file.scopes:
                if isinstance(scope.node, ast.AsyncFunctionDef):
                    yield from ((file, call.lineno) for call in scope.calls if self._is_blocking(call, scope))

    def _is_blocking(self, call: ast.Call, scope: Scope) -> bool:
        if self._is_method(call.func, scope):
            return True
        called = self._objects.called(call, scope)
        return any(self._runs_here(one, call, scope) and self._has_any(one) for one in called)

    def _is_method(self, func: ast.expr, scope: Scope) -> bool:
        if not isinstance(func, ast.Attribute) or not any(func.attr in names for names in METHODS.values()):
            return False
        kinds = self._objects.kinds(func.value, scope)
        return any(isinstance(kind, str) and func.attr in METHODS.get(kind, ()) for kind in kinds)

    def _runs_here(self, function: Scope, call: ast.Call, scope: Scope) -> bool:
        """Whether the call runs the function's body: not that of a coroutine, nor that of a generator by itself."""
        if isinstance(function.node, ast.AsyncFunctionDef):
            return False
        return not function.is_generator or call in scope.iterated

    def _has_any(self, function: Scope) -> bool:
        """Whether a plain function calls a blocking method, itself or by others."""
        left, seen = [function], {function}
        while left:
            one = left.pop()
            if one not in self._blocks:
                self._blocks[one] = any(self._is_method(call.func, one) for call in one.calls)
            if self._blocks[one]:
                return True
            called = ((call, inner) for call in one.calls for inner in self._objects.called(call, one))
            inside = {inner for call, inner in called if self._runs_here(inner, call, one)}
            left += inside - seen
            seen |= inside
        return False
