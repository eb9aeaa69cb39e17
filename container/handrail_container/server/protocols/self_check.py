"""Whether uvicorn is as our connections know it: they stand on parts of it that it does not document.

Before the first listener is made, a connection of ours answers a few requests that lead nowhere. Where an answer is not
what it has to be, uvicorn's own protocol serves instead, and one line says what is lost: no request meets an error.
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

#: What `pyproject.toml` says as well.
TESTED = "uvicorn>=0.46,<0.55"
_OURS = "handrail_container.server.protocols.connection"
#: How many turns of the loop the requests may take; they need a few.
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
    """Ours, where it works with this uvicorn, else uvicorn's own. Blocks, for a few milliseconds, once."""
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
    """What went wrong where `ours` answered; None where nothing did."""
    with ThreadPoolExecutor(1, "self-check") as beside:  # the caller's loop may run already
        try:
            written = beside.submit(lambda: asyncio.run(_rehearsed(ours))).result()
        except Exception as error:  # noqa: BLE001  whatever a part that is not as it was leads to
            return f"{type(error).__name__}: {error}"
    return None if written == _ANSWERS else f"it answered {written[:60]!r}"


async def _rehearsed(ours: type[HttpToolsProtocol]) -> bytes:
    """What it answered to _REQUESTS."""
    config = uvicorn.Config(_answer, http=ours, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    transport = _Nowhere()
    connection = ours(config, ServerState(), {})
    connection.logger = logging.Logger("self-check", logging.CRITICAL + 1)  # what goes wrong is said once
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


class _Nowhere(asyncio.Transport):
    """A client's end that takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None:
        """Everything was taken."""

    def close(self) -> None:
        """Nobody is there."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""
