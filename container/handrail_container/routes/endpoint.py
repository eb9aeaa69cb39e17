"""The endpoint of a path, as the gate calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.http.envelope import Explain
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.routes.session_store import Sessions

#: WebSocket close code for a path without a handler.
_UNSUPPORTED = 1003


class Admits(Protocol):
    """A lane: requests that share one limit and queue."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, called for admitted requests only."""


class AdmittingLanes(Protocol):
    @property
    def invocations(self) -> Admits: ...

    @property
    def engine(self) -> Admits: ...


class GateParts(Protocol):
    """The part of the gate that the routes need."""

    @property
    def lanes(self) -> AdmittingLanes: ...

    @property
    def sessions(self) -> Sessions | None: ...

    @property
    def engine_bounds(self) -> JsonBounds: ...


@dataclass(frozen=True)
class Endpoint:
    """A route of the container. `explain` turns an exception of `app` into an error; `handler` is the name in the log:
    the user's function, or the engine. `serves_own` admits the container's own processes, such as a snippet's, while
    the server drains: their requests could not finish otherwise. `is_the_engines` applies the engine's stricter bounds
    on JSON bodies. `asks_for_key` holds on the paths, too, that need no key where they are ours."""

    app: ASGIApp
    methods: tuple[str, ...]
    explain: Explain
    is_always_open: bool = False
    handler: str = ""
    serves_own: bool = False
    outlives_client: bool = False
    is_the_engines: bool = False
    asks_for_key: bool = False


class Finds(Protocol):
    """Endpoints that are found by the request, and not by its path alone."""

    def endpoint(self, scope: Scope) -> Endpoint | None: ...

    def socket(self, scope: Scope) -> SocketEndpoint | None: ...


class FindsNothing:
    def endpoint(self, scope: Scope) -> Endpoint | None:
        return None

    def socket(self, scope: Scope) -> SocketEndpoint | None:
        return None


class Routes(NamedTuple):
    """Endpoints by path, endpoints by prefix (the first match wins), and WebSockets by path. `paths` are the known
    paths below the prefixes. `applications` are asked between the paths and the prefixes."""

    endpoints: Mapping[str, Endpoint]
    prefixes: Mapping[str, Endpoint]
    sockets: Mapping[str, SocketEndpoint]
    paths: frozenset[str] = frozenset()
    applications: Finds = FindsNothing()


@dataclass(frozen=True)
class SocketEndpoint:
    """`app` is an ASGI application that accepts the connection and may leave closing it to the gate."""

    app: ASGIApp
    explain: Explain


def no_socket(reason: str) -> ASGIApp:
    """An app that accepts and closes with `reason`: few clients show the body of a refused handshake."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": _UNSUPPORTED, "reason": reason})

    return refuse
