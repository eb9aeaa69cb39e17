"""Checks that the installed uvicorn works with our connection class, which uses undocumented parts of it.

Before the first listener is created, a connection of ours answers a few requests in memory. If an answer differs from
the expected one, uvicorn's own protocol serves instead, and one warning says what is lost. No request fails for it.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

logger = logging.getLogger("handrail")

#: The same as in `pyproject.toml`.
TESTED = "uvicorn>=0.46,<0.55"
_OURS = "handrail_container.server.protocols.connection"
#: Most turns of the event loop that the requests may take; they need a few.
_TURNS = 50

_REQUESTS = (
    b"POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
    b"POST /whole HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\ncd"
    b"GET /taken_back HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n"
)
_ANSWERS = (
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\ncd"
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nef"
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\ng\r\n1\r\nh\r\n0\r\n\r\n"
)


@functools.cache
def protocol_class() -> type[HttpToolsProtocol]:
    """Our class if it works with this uvicorn, else uvicorn's own. The first call blocks for a few milliseconds."""
    try:
        ours: type[HttpToolsProtocol] = importlib.import_module(_OURS).Connection
        fault = _fault(ours)
    except (ImportError, AttributeError) as error:
        fault = str(error)
    if fault is None:
        return ours
    logger.warning(
        "uvicorn %s is not as Handrail knows it (%s): uvicorn's own protocol serves HTTP. Limits of heads, of "
        "slow clients and of pipelined requests do not hold, and handlers do not hear that a client left. Install %s.",
        version("uvicorn"),
        fault,
        TESTED,
    )
    return HttpToolsProtocol


def _fault(ours: type[HttpToolsProtocol]) -> str | None:
    """A description of the failure if `ours` does not answer as expected; else None."""
    with ThreadPoolExecutor(1, "self-check") as beside:  # the caller's event loop may be running
        try:
            written = beside.submit(lambda: asyncio.run(_rehearsed(ours))).result()
        except Exception as error:  # noqa: BLE001  an incompatible uvicorn may raise anything
            return f"{type(error).__name__}: {error}"
    return None if written == _ANSWERS else f"it answered {written[:60]!r}"


async def _rehearsed(ours: type[HttpToolsProtocol]) -> bytes:
    """The bytes that a connection of `ours` answers _REQUESTS with."""
    config = uvicorn.Config(_answer, http=ours, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    transport = _MemoryTransport()
    connection = ours(config, ServerState(), {})
    connection.logger = logging.Logger("self-check", logging.CRITICAL + 1)  # `protocol_class` logs a failure once
    connection.connection_made(transport)
    connection.data_received(_REQUESTS)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    return bytes(transport.written)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    if scope["path"] == "/whole":
        message = await receive()
        await send(start)
        await send({"type": "http.response.body", "body": message["body"]})
    elif scope["path"] == "/taken_back":
        await send(start)
        scope["state"]["handrail.connection"].take_back(scope)
        await send({**start, "status": 500})
        await send({"type": "http.response.body", "body": b"ef"})
    else:
        await send({**start, "headers": []})
        await send({"type": "http.response.body", "body": b"g", "more_body": True})
        await send({"type": "http.response.body", "body": b"h", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _MemoryTransport(asyncio.Transport):
    """A transport without a client, which keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """There is no connection."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""
