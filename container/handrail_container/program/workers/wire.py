"""The messages between a worker and its process: a few fields, and a text of any length and content.

A message is the two lengths, the fields as JSON, and the text as UTF-8 that preserves lone surrogates.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from asyncio import StreamReader

_LENGTHS = struct.Struct("!IQ")
_AS_IS = "surrogatepass"


class WorkerMessage(NamedTuple):
    fields: dict[str, Any]
    text: str


def pack(fields: Mapping[str, Any], text: str = "") -> bytes:
    """Encode a message. Raises TypeError, ValueError if a field is not JSON."""
    head, body = json.dumps(fields).encode(), text.encode("utf-8", _AS_IS)
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


def read(stream: BinaryIO) -> WorkerMessage | None:
    """The next message; None if the other side has closed the connection."""
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    payload = stream.read(head + body)
    return _unpack(payload, head) if len(payload) == head + body else None


async def receive(stream: StreamReader) -> WorkerMessage:
    """The next message. Raises IncompleteReadError if the other side has closed the connection."""
    head, body = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    return _unpack(await stream.readexactly(head + body), head)


def _unpack(payload: bytes, head: int) -> WorkerMessage:
    return WorkerMessage(json.loads(payload[:head]), payload[head:].decode("utf-8", _AS_IS))
