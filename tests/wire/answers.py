"""What comes back over a socket, taken apart; and an application that says what it has read."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

PATIENCE_S = 20
_TURNS = 50


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the method, the path, and the body. `/slow` takes some turns of the loop more."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    body = await Request(scope, receive).body()
    for _ in range(_TURNS if scope["path"] == "/slow" else 0):
        await asyncio.sleep(0)
    said = b" ".join([scope["method"].encode(), scope["path"].encode(), body])
    await PlainTextResponse(said)(scope, receive, send)


def taken_apart(received: bytes) -> list[Answer]:
    """Answers in a row. Raises ValueError where one is not as its head says."""
    answers = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        if not (end and line.startswith("HTTP/1.1 ")):
            raise ValueError(f"no answer: {head!r}")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        body, received = _body(headers, received)
        answers.append(Answer(int(line.split()[1]), headers, body))
    return answers


def _body(headers: dict[str, str], received: bytes) -> tuple[bytes, bytes]:
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(received)
    if "content-length" not in headers and headers.get("connection", "").lower() == "close":
        return received, b""
    length = int(headers.get("content-length", 0))
    if len(received) < length:
        raise ValueError(f"{len(received)} of {length} bytes")
    return received[:length], received[length:]


def _chunks(received: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        piece, received = received[: int(size, 16)], received[int(size, 16) + 2 :]
        body += piece
        if not piece:
            return body, received


async def said_to(port: int, parts: list[bytes], patience_s: float = PATIENCE_S) -> bytes:
    """All that a server says to `parts`, until it hangs up. Raises TimeoutError where it does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_read(reader))  # what is read late is lost with a connection that is reset
    try:
        for part in parts:
            if reading.done():
                break
            writer.write(part)
            await asyncio.sleep(0)
        return await asyncio.wait_for(reading, patience_s)
    finally:
        reading.cancel()
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> bytes:
    received = b""
    try:
        while piece := await reader.read(1 << 20):
            received += piece
    except ConnectionError:
        pass  # it hung up on what it had no wish to read
    return received
