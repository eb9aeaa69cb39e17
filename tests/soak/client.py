"""A client on a plain socket, that knows of each request it sent whether it was answered."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: A hang is a lost answer too.
_PATIENCE_S = 30.0


class Leaves(StrEnum):
    AT_ONCE = "at once"
    WAITING = "waiting"
    MIDSTREAM = "midstream"


@dataclass(frozen=True)
class Ask:
    """A request; where it `leaves`, its client goes on purpose."""

    path: str
    body: Any
    headers: str = ""
    leaves: Leaves | None = None

    def encoded(self) -> bytes:
        body = self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\n{self.headers}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Refused(Exception):
    """Nobody took the connection."""


class Lost(Exception):
    """The request was sent on an open connection, and there was no answer, or half of one."""


class Client:
    """One connection at a time, kept for as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_new = True

    async def ask(self, asked: Ask) -> int:
        """The status; 0 where it left as it was told to. Raises Refused, and Lost."""
        reader, writer = await self._connection()
        where = "a new connection" if self._is_new else "a kept connection"
        self._is_new = False
        try:
            return await asyncio.wait_for(self._exchange(asked, reader, writer), _PATIENCE_S)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            got = len(getattr(error, "partial", b""))
            raise Lost(f"{type(error).__name__} on {where}, {asked.path} {asked.leaves or ''}, {got} bytes") from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._writer is not None and _is_closed(self._writer):
            self.close()  # by the server, with nothing under way
        if self._reader is None or self._writer is None:
            try:
                connecting = asyncio.open_connection("127.0.0.1", self._port)
                self._reader, self._writer = await asyncio.wait_for(connecting, _PATIENCE_S)
            except (OSError, TimeoutError) as error:
                raise Refused from error
            self._is_new = True
        return self._reader, self._writer

    async def _exchange(self, asked: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(asked.encoded())
        if asked.leaves is Leaves.AT_ONCE or asked.leaves is Leaves.WAITING:
            await asyncio.sleep(0.02 if asked.leaves is Leaves.WAITING else 0)
            self.close()
            return 0
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if asked.leaves is Leaves.MIDSTREAM and status == 200:
            await reader.readuntil(b"data:")
            self.close()
            return 0
        await _body(head, reader)
        if b"connection: close" in head:
            self.close()
        return status


def _is_closed(writer: asyncio.StreamWriter) -> bool:
    """Whether the other end has gone, as the system knows it, which may be before our loop does."""
    try:
        return (
            socket.socket.recv(writer.get_extra_info("socket")._sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        )
    except BlockingIOError:
        return False
    except OSError:
        return True


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if b"transfer-encoding: chunked" not in head:
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        return await reader.readexactly(int(length))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body
