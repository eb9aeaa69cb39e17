"""What answers on a path, as the gate calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.http.envelope import Explain
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.routes.session_store import Sessions

#: The code of a WebSocket that is closed since nothing here takes it.
_UNSUPPORTED = 1003


class Admits(Protocol):
    """Requests that are counted together, as the routes see it."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` for the requests that are admitted."""


class AdmittingLanes(Protocol):
    @property
    def invocations(self) -> Admits: ...

    @property
    def engine(self) -> Admits: ...


class GateParts(Protocol):
    """What the routes need of the gate, which stands above them."""

    @property
    def lanes(self) -> AdmittingLanes: ...

    @property
    def sessions(self) -> Sessions | None: ...

    @property
    def engine_bounds(self) -> JsonBounds: ...


@dataclass(frozen=True)
class Endpoint:
    """One of our own routes. `explain` turns what `app` raises into an error; `handler` names, for the log, who answers
    there: the user's function, or the engine. One that `serves_own` lets in what runs here, such as a snippet in its
    process, also while the server drains: its request could not be finished else. What `is_the_engines` may have fewer
    objects in its body than a handler's own."""

    app: ASGIApp
    methods: tuple[str, ...]
    explain: Explain
    is_always_open: bool = False
    handler: str = ""
    serves_own: bool = False
    outlives_client: bool = False
    is_the_engines: bool = False


class Routes(NamedTuple):
    """What answers: by path, below prefixes (the first that fits), and WebSockets by path. `paths` are those that are
    known below the prefixes."""

    endpoints: Mapping[str, Endpoint]
    prefixes: Mapping[str, Endpoint]
    sockets: Mapping[str, SocketEndpoint]
    paths: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SocketEndpoint:
    """`app` is an ASGI application that accepts the connection and may leave closing it to the room."""

    app: ASGIApp
    explain: Explain


def no_socket(reason: str) -> ASGIApp:
    """Says so on the connection itself: clients hardly show the body of a refused handshake."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": _UNSUPPORTED, "reason": reason})

    return refuse
