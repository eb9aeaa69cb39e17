"""Encoder for `application/vnd.amazon.eventstream`, for which botocore has only a decoder.

A message is a prelude (total length, length of the headers, CRC of both), headers, a payload, and a CRC of it all.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

MEDIA_TYPE = "application/vnd.amazon.eventstream"
#: Most bytes of one event's payload; the decoder accepts at most 16 MiB with the headers.
MAX_PAYLOAD = 1 << 20
_STRING = 7
_PRELUDE = 12
_CRC = 4


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode one message; a header's name has at most 255 bytes, its value 65,535."""
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack("!II", _PRELUDE + len(head) + len(payload) + _CRC, len(head))
    message = lengths + struct.pack("!I", crc32(lengths)) + head + payload
    return message + struct.pack("!I", crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(value)) + value


def payload_parts(chunk: bytes) -> bytes:
    """A chunk of the container's answer, as one or more events of at most MAX_PAYLOAD bytes."""
    headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    return b"".join(encode(headers, chunk[at : at + MAX_PAYLOAD]) for at in range(0, len(chunk), MAX_PAYLOAD))


def exception(kind: str, **members: str) -> bytes:
    """The last message of a stream that failed: `kind` is the exception's name in the service model."""
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return encode(headers, json.dumps(members).encode())
