"""The routes of users' applications: before the engine's, behind the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from handrail.core.calling import Handler
from handrail.core.slots import Slot
from handrail.core.whole_model import Claim, WholeModel
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from handrail_container.routes.endpoint import Endpoint, SocketEndpoint

#: Handrail's in any case: what scrapes it asks for the server's metrics.
_METRICS = "/metrics"
_ROOT, _HEALTH = "/", "/health"
_SLOTS = frozenset(slot.path for slot in Slot)


class ServedApplication(NamedTuple):
    """The model of an application, and what answers its requests and its WebSockets."""

    model: WholeModel
    endpoint: Endpoint
    socket: SocketEndpoint


def of_models(models: Sequence[WholeModel], serve: Callable[[Handler], Endpoint]) -> list[ServedApplication]:
    """The applications among the models, each with the endpoint that `serve` makes."""
    served = []
    for model in models:
        if model.application is not None:
            endpoint = replace(serve(model.application), asks_for_key=True)
            socket = SocketEndpoint(model.application.app, endpoint.explain)
            served.append(ServedApplication(model, endpoint, socket))
    return served


class Applications:
    """Finds the application that answers: each has the requests for its own routes. What only a mount takes, or nothing
    knows, is an application's where neither the engine nor the server (below `prefixes`) has a route for it: its
    middleware may answer, or its own 404."""

    def __init__(
        self, served: Sequence[ServedApplication], engine: Sequence[BaseRoute], prefixes: tuple[str, ...]
    ) -> None:
        self._served = served
        self._engine = engine
        self._prefixes = prefixes

    def endpoint(self, scope: Scope) -> Endpoint | None:
        path: str = scope["path"]
        claim, served = self._best(scope)
        if path == _METRICS or (path == _ROOT and not claim):
            return None
        is_its_own = claim is Claim.REQUEST or path == _ROOT
        if not is_its_own and self._is_others(scope):
            return None
        is_health_check = path == _HEALTH and scope["method"] in ("GET", "HEAD")  # a platform's has no key
        return replace(served.endpoint, asks_for_key=False) if is_health_check else served.endpoint

    def socket(self, scope: Scope) -> SocketEndpoint | None:
        claim, served = self._best(scope)
        return served.socket if claim else None

    def hides(self, path: str, kind: str) -> bool:
        """Whether an application has a route at a path of ours. The handlers of the slots are chosen otherwise."""
        scope = {"type": kind, "method": "GET", "path": path, "headers": [], "root_path": ""}
        return path not in _SLOTS and self._best(scope)[0] >= Claim.PATH

    def _best(self, scope: Scope) -> tuple[Claim, ServedApplication]:
        claims = [(served.model.claim(scope), served) for served in self._served]
        return max(claims, key=lambda one: one[0])

    def _is_others(self, scope: Scope) -> bool:
        if scope["path"].startswith(self._prefixes):
            return True
        return any(route.matches(scope)[0] is not Match.NONE for route in self._engine)
