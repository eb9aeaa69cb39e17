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
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seen = Seen(time.perf_counter())
    writer.write(sent)
    everything = bytearray()
    async with asyncio.timeout(_PATIENCE_S):
        while piece := await reader.read(1 << 16):
            now = time.perf_counter()
            seen.events_at.extend([now] * piece.count(_EVENT))
            everything += piece
    seen.ended_at = time.perf_counter()
    writer.close()
    assert everything.startswith(b"HTTP/1.1 200"), bytes(everything[:300])
    seen.tokens = _tokens(bytes(everything))
    return seen


def _tokens(answer: bytes) -> int:
    """What `usage` says in the end."""
    _, _, usage = answer.rpartition(b'"completion_tokens":')
    digits = usage.lstrip()[:8]
    return int(digits[: len(digits) - len(digits.lstrip(b"0123456789"))])
