"""Server-sent events read off plain sockets: when each came and nothing else, so that the client is not the limit."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

_EVENT = b"\ndata: "
_PATIENCE_S = 120


@dataclass
class Seen:
    """One answer: when it was asked for, when each event came, and how many tokens the engine says it gave."""

    asked_at: float
    events_at: list[float] = field(default_factory=list)
    tokens: int = 0
    ended_at: float = 0.0

    @property
    def first_s(self) -> float:
        return self.events_at[0] - self.asked_at

    @property
    def gaps_s(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.events_at, self.events_at[1:], strict=False)]


def request(path: str, body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def ask(port: int, sent: bytes) -> Seen:
    """A streamed answer's events, or when the whole answer came. Raises AssertionError where it is no 200."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    _, answer = await loop.create_connection(lambda: _Answer(sent, over), "127.0.0.1", port)
    async with asyncio.timeout(_PATIENCE_S):
        await over
    said = b"".join(answer.pieces)
    assert said.startswith(b"HTTP/1.1 200"), said[:300]
    answer.seen.tokens = _tokens(said)
    return answer.seen


class _Answer(asyncio.Protocol):
    """Looked at when it has ended; while it comes, only the time is noted."""

    def __init__(self, sent: bytes, over: asyncio.Future[None]) -> None:
        self.seen = Seen(0.0)
        self.pieces: list[bytes] = []
        self._sent = sent
        self._over = over

    def connection_made(self, transport: Any) -> None:
        self.seen.asked_at = time.perf_counter()
        transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.seen.events_at.extend([now] * data.count(_EVENT))
        self.pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.ended_at = time.perf_counter()
        if not self._over.done():
            self._over.set_result(None)


def _tokens(answer: bytes) -> int:
    """What `usage` says in the end."""
    _, _, usage = answer.rpartition(b'"completion_tokens":')
    digits = usage.lstrip()[:8]
    return int(digits[: len(digits) - len(digits.lstrip(b"0123456789"))])
