"""The routes of an application: which requests they know, and their list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, WebSocketRoute
from starlette.types import Scope

from handrail.core.tracebacks import definition
from handrail.core.whole_model import Claim

#: A path that no route is written for: what matches it takes every path.
_ANY_PATH = "/-/handrail/any/path"
#: Of FastAPI's own routes, which describe the others.
_OF_FASTAPI = "fastapi."


def asked(path: str, method: str = "GET", kind: str = "http") -> dict[str, Any]:
    """The scope of a request that asks for a path and says nothing else."""
    return {"type": kind, "path": path, "method": method, "headers": [], "root_path": "", "path_params": {}}


def claim(app: Starlette, scope: Scope) -> Claim:
    """How well the application's routes know a request."""
    root_path = getattr(app, "root_path", "") or scope.get("root_path", "")
    return _claim(app.routes, {**scope, "root_path": root_path})


def _claim(routes: Iterable[BaseRoute], scope: Scope) -> Claim:
    best = Claim.NOTHING
    for route in routes:
        match, child = route.matches(scope)
        found = Claim.NOTHING if match is Match.NONE else _of_route(route, match, {**scope, **child})
        if found is Claim.REQUEST:
            return found
        best = max(best, found)
    return best


def _of_route(route: BaseRoute, match: Match, scope: Scope) -> Claim:
    inner = getattr(route, "routes", None)
    if inner:  # a mounted application: what it does not know may be the engine's
        return _claim(inner, scope) or Claim.REST
    if route.matches(asked(_ANY_PATH, scope.get("method", "GET"), scope["type"]))[0] is not Match.NONE:
        return Claim.REST
    return Claim.REQUEST if match is Match.FULL else Claim.PATH


class ListedRoute(NamedTuple):
    """A route. `methods` is empty for a WebSocket and for a mount; `endpoint` is the function, or what is mounted."""

    path: str
    methods: tuple[str, ...]
    endpoint: Any
    is_socket: bool

    @property
    def takes_no_name(self) -> bool:
        """Whether its path is one, and not a template of many."""
        return "{" not in self.path

    @property
    def is_of_documentation(self) -> bool:
        return str(getattr(self.endpoint, "__module__", "")).startswith(_OF_FASTAPI)

    def __str__(self) -> str:
        kind = "WebSocket" if self.is_socket else ", ".join(self.methods) or "mount"
        return f"{kind} {self.path}: {self.name}  {self.where}".rstrip()

    @property
    def name(self) -> str:
        return getattr(self.endpoint, "__name__", type(self.endpoint).__name__)

    @property
    def where(self) -> str:
        """`file:line` of a function; "" for what is mounted."""
        return definition(self.endpoint) if hasattr(self.endpoint, "__name__") else ""


def listed(routes: Iterable[Any], prefix: str = "") -> Iterator[ListedRoute]:
    """The routes in their order, also those of included routers and of mounted applications."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)  # FastAPI 0.137 and later: a whole router
        for each in [route] if included is None else included():
            path, inner = f"{prefix}{getattr(each, 'path', '')}", getattr(each, "routes", None)
            if inner:
                yield from listed(inner, path)
                continue
            methods = tuple(sorted(set(getattr(each, "methods", None) or ()) - {"HEAD"}))
            endpoint = getattr(each, "endpoint", None) or getattr(each, "app", None)
            original = getattr(each, "original_route", each)
            yield ListedRoute(path or "/", methods, endpoint, isinstance(original, WebSocketRoute))
