"""The handshake of a WebSocket (RFC 6455, section 4.2): checks a request's head, and builds the answer's bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from handrail_container.http.envelope import Failure
from handrail_container.http.framing import CONTROLS

Headers = list[tuple[bytes, bytes]]

_VERSION = b"13"
_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_BODY = Failure(400, "the handshake of a WebSocket has no body: send no Content-Length and no Transfer-Encoding")
_METHOD = Failure(405, "the handshake of a WebSocket is a GET", headers={"Allow": "GET"})
_WRONG_VERSION = Failure(
    426,
    f"the handshake has no Sec-WebSocket-Version {_VERSION.decode()}, the only one that is spoken here",
    headers={"Sec-WebSocket-Version": _VERSION.decode()},
)
_WRONG_KEY = Failure(400, f"the handshake needs one Sec-WebSocket-Key of {_KEY_BYTES} bytes in base64")
_WRONG_TARGET = Failure(400, "the handshake's path is no path")


class Head(NamedTuple):
    """The head of a client's request; the headers' names are in lower case."""

    method: bytes
    target: bytes
    headers: Headers

    def all(self, name: bytes) -> list[bytes]:
        return [value for given, value in self.headers if given == name]


def read(head: bytes) -> Head:
    """Split `head`, which an HTTP parser has checked before, and which is written as it was parsed."""
    line, *lines = head.split(b"\r\n")
    method, _, rest = line.partition(b" ")
    pairs = (one.partition(b":") for one in lines)
    return Head(method, rest.rpartition(b" ")[0], [(name.strip().lower(), value.strip()) for name, _, value in pairs])


def fault(head: Head) -> Failure | None:
    """The error to answer with if `head` is not a valid handshake; else None."""
    if head.method != b"GET":
        return _METHOD
    if head.all(b"transfer-encoding") or any(length != b"0" for length in head.all(b"content-length")):
        return _BODY
    if head.all(b"sec-websocket-version") != [_VERSION]:
        return _WRONG_VERSION
    keys = head.all(b"sec-websocket-key")
    return None if len(keys) == 1 and _is_key(keys[0]) else _WRONG_KEY


def _is_key(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def scope(head: Head, root_path: str, transport: Any, state: dict[str, Any]) -> Scope | Failure:
    """The ASGI scope for the application; the error to answer with if the path is invalid."""
    try:
        url = httptools.parse_url(head.target)
        path = unquote(url.path.decode("ascii"))
    except (httptools.HttpParserInvalidURLError, AttributeError, UnicodeDecodeError):
        return _WRONG_TARGET
    protocols = [
        one.strip().decode("latin-1") for given in head.all(b"sec-websocket-protocol") for one in given.split(b",")
    ]
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": _address(transport, "sockname"),
        "client": _address(transport, "peername"),
        "root_path": root_path,
        "path": root_path + path,
        "raw_path": root_path.encode() + url.path,
        "query_string": url.query or b"",
        "headers": head.headers,
        "subprotocols": protocols,
        "state": state.copy(),
        "extensions": {"websocket.http.response": {}},
    }


def _address(transport: Any, name: str) -> tuple[str, int] | None:
    address = transport.get_extra_info(name)
    return tuple(address[:2]) if isinstance(address, tuple | list) else None


def acceptance(head: Head, headers: Iterable[tuple[bytes, bytes]], subprotocol: str | None) -> bytes:
    """The answer that opens the WebSocket. Raises ValueError if a header cannot be sent."""
    (key,) = head.all(b"sec-websocket-key")
    token = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    own = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", token)]
    if subprotocol:
        own.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
    return answer(101, [*own, *headers])


def answer(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    """The bytes of an HTTP answer. Raises ValueError for a control character in a header: it could begin another."""
    lines = [b"%b: %b" % header for header in headers]
    for line in lines:
        if line.translate(None, CONTROLS) != line:
            raise ValueError(f"a header with a control character in it cannot be sent: {line!r}")
    return STATUS_LINE[status] + b"".join(b"%b\r\n" % line for line in lines) + b"\r\n" + body
