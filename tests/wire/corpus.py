"""The framing of RFC 9112 as bytes: what a client sends, which statuses it gets, and what the handler has read.

Every path is answered with `METHOD PATH BODY`. A case ends with a request that asks to close the connection, or with
one that is refused, so that whoever reads the answers does not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

CLOSE = b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
END = b"GET /end "


class Case(NamedTuple):
    """`read` are the bodies of the answers with status 200."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    read: tuple[bytes, ...] = ()


def _request(line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: x") -> bytes:
    return b"\r\n".join([line, *([host] if host else []), *headers, b"", body])


def _post(*headers: bytes, body: bytes = b"hello") -> bytes:
    return _request(b"POST /it HTTP/1.1", *headers, body=body)


LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
OFFER = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAA")
SOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
VERSION_13 = b"Sec-WebSocket-Version: 13"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
IT = b"POST /it hello"


def _good(name: str, sent: bytes, *read: bytes) -> Case:
    """Answered 200, and so is the request behind it, on the same connection."""
    return Case(name, sent + CLOSE, (200,) * (len(read) + 1), (*read, END))


def _refused(name: str, sent: bytes, status: int) -> Case:
    """Refused, and nothing behind it is read."""
    return Case(name, sent + SMUGGLED, (status,))


UPGRADES = [
    _good("h2c with a length", _post(*OFFER, LENGTH), IT),
    _good("h2c in chunks", _post(*OFFER, CHUNKED, body=CHUNKS), IT),
    _good("h2c without a body", _request(b"GET /it HTTP/1.1", *OFFER), b"GET /it "),
    _good(
        "h2c with a request for a body",
        _post(*OFFER, b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        b"POST /it " + SMUGGLED,
    ),
    _good("h2c twice", _post(*OFFER, LENGTH) * 2, IT, IT),
    _good("an unknown protocol", _post(b"Connection: upgrade", b"Upgrade: foo/2", LENGTH), IT),
    _good("Upgrade without Connection", _post(b"Upgrade: websocket", LENGTH), IT),
    _good("Connection without Upgrade", _post(b"Connection: Upgrade", LENGTH), IT),
    _good("two offers", _post(b"Connection: Upgrade", b"Upgrade: websocket, h2c", LENGTH), IT),
    _good("two lines of Upgrade", _post(b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c", LENGTH), IT),
    Case("h2c, and the end", _post(*OFFER, b"Connection: close", LENGTH), (200,), (IT,)),
    Case("h2c of HTTP/1.0", _request(b"POST /it HTTP/1.0", *OFFER, LENGTH, body=b"hello"), (200,), (IT,)),
    Case("a WebSocket of HTTP/1.0", _request(b"POST /it HTTP/1.0", *SOCKET, LENGTH, body=b"hello"), (200,), (IT,)),
    _refused("h2c, lengths that differ", _post(*OFFER, LENGTH, b"Content-Length: 6"), 400),
    _refused("h2c, length and chunks", _post(*OFFER, LENGTH, CHUNKED), 400),
]

SOCKETS = [
    _refused("a WebSocket with a body", _request(b"GET /it HTTP/1.1", *SOCKET, VERSION_13, LENGTH, body=b"hello"), 400),
    _refused("a WebSocket in chunks", _request(b"GET /it HTTP/1.1", *SOCKET, VERSION_13, CHUNKED, body=CHUNKS), 400),
    _refused("a WebSocket by POST", _post(*SOCKET, VERSION_13, body=b""), 400),
    _refused("a WebSocket, and more", _request(b"GET /it HTTP/1.1", *SOCKET, VERSION_13), 400),
    Case(
        "a WebSocket behind a request",
        _post(LENGTH) + _request(b"GET /it HTTP/1.1", *SOCKET, VERSION_13) + SMUGGLED,
        (200, 400),
        (IT,),
    ),
]

HOSTS = [
    _refused("no Host", _request(b"GET /it HTTP/1.1", host=b""), 400),
    _refused("two Hosts", _request(b"GET /it HTTP/1.1", b"Host: y"), 400),
    _refused("the same Host twice", _request(b"GET /it HTTP/1.1", b"host: x"), 400),
    _refused("a Host with a space", _request(b"GET /it HTTP/1.1", host=b"Host: a b"), 400),
    _refused(
        "a Host with a space, and a key", _request(b"GET /it HTTP/1.1", b"Authorization: z", host=b"Host: a b"), 400
    ),
    _refused("a Host with a path", _request(b"GET /it HTTP/1.1", host=b"Host: a/c?"), 400),
    _refused("a Host with a user", _request(b"GET /it HTTP/1.1", host=b"Host: me@a"), 400),
    _refused("a Host whose port is none", _request(b"GET /it HTTP/1.1", host=b"Host: a:b"), 400),
    _refused("two Hosts of HTTP/1.0", _request(b"GET /it HTTP/1.0", b"Host: y"), 400),
    _good("a Host with a port", _request(b"GET /it HTTP/1.1", host=b"Host: example.com:8080"), b"GET /it "),
    _good("a Host that is an address", _request(b"GET /it HTTP/1.1", host=b"Host: [::1]:8080"), b"GET /it "),
    _good("an empty Host", _request(b"GET /it HTTP/1.1", host=b"Host:"), b"GET /it "),
    Case("no Host of HTTP/1.0", _request(b"GET /it HTTP/1.0", host=b""), (200,), (b"GET /it ",)),
]

VERSIONS = [
    _refused("HTTP/2.0", _request(b"GET /it HTTP/2.0"), 505),
    _refused("HTTP/0.9", _request(b"GET /it HTTP/0.9"), 400),
    _refused("HTTP/3.0", _request(b"GET /it HTTP/3.0"), 400),
    _refused("no version", _request(b"GET /it"), 400),
    Case("HTTP/1.0 is not kept", _request(b"GET /it HTTP/1.0") + SMUGGLED, (200,), (b"GET /it ",)),
    Case(
        "HTTP/1.0 hears no 100",
        _request(b"POST /it HTTP/1.0", b"Expect: 100-continue", LENGTH, body=b"hello"),
        (200,),
        (IT,),
    ),
    _refused("HTTP/1.0 in chunks", _request(b"POST /it HTTP/1.0", CHUNKED, body=CHUNKS), 400),
    Case("Expect", _post(b"Expect: 100-continue", LENGTH) + CLOSE, (100, 200, 200), (IT, END)),
    Case("Expect of h2c", _post(*OFFER, b"Expect: 100-Continue", LENGTH) + CLOSE, (100, 200, 200), (IT, END)),
]

LENGTHS = [
    _good("a length", _post(LENGTH), IT),
    _good("a length of 0", _post(b"Content-Length: 0", body=b""), b"POST /it "),
    _good("chunks", _post(CHUNKED, body=CHUNKS), IT),
    _good("chunks in capitals", _post(b"Transfer-Encoding: Chunked", body=CHUNKS), IT),
    _good("a trailer", _post(CHUNKED, body=CHUNKS[:-2] + b"Host: y\r\nAuthorization: z\r\n\r\n"), IT),
    _good("an empty line before", b"\r\n" + _post(LENGTH), IT),
    _good(
        "a body full of ends", _post(b"Content-Length: 800", body=b"\r\n\r\n" * 200), b"POST /it " + b"\r\n\r\n" * 200
    ),
    _refused("two lengths", _post(LENGTH, b"Content-Length: 6"), 400),
    _refused("the same length twice", _post(LENGTH, LENGTH), 400),
    _refused("a list of lengths", _post(b"Content-Length: 5, 5"), 400),
    _refused("a negative length", _post(b"Content-Length: -5"), 400),
    _refused("a length with a sign", _post(b"Content-Length: +5"), 400),
    _refused("a length that is no number", _post(b"Content-Length: 5x"), 400),
    _refused("an endless length", _post(b"Content-Length: 99999999999999999999"), 400),
    _refused("length and chunks", _post(LENGTH, CHUNKED, body=CHUNKS), 400),
    _refused("chunks and length", _post(CHUNKED, LENGTH, body=CHUNKS), 400),
    _refused("a chunk without a size", _post(CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n"), 400),
    _refused("a chunk with 0x", _post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    _refused("a chunk that is longer", _post(CHUNKED, body=b"4\r\nhello\r\n0\r\n\r\n"), 400),
    _refused("a chunk with LF", _post(CHUNKED, body=b"5\nhello\n0\n\n"), 400),
]

CODINGS = [
    _refused("gzip, chunked", _post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), 501),
    _refused("identity, chunked", _post(b"Transfer-Encoding: identity, chunked", body=CHUNKS), 501),
    _refused("an empty coding", _post(b"Transfer-Encoding: ,chunked", body=CHUNKS), 501),
    _refused("two lines of coding", _post(b"Transfer-Encoding: gzip", CHUNKED, body=CHUNKS), 400),
    _refused("chunked twice", _post(CHUNKED, CHUNKED, body=CHUNKS), 400),
    _refused("chunked, gzip", _post(b"Transfer-Encoding: chunked, gzip", body=CHUNKS), 400),
    _refused("a coding with a control", _post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS), 400),
    _refused("a coding with a space", _post(b"Transfer-Encoding : chunked", body=CHUNKS), 400),
    _refused("a folded coding", _post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS), 400),
]

HEADS = [
    _good("a whole address", _request(b"GET http://y/it HTTP/1.1"), b"GET /it "),
    _good("a whole address without a path", _request(b"GET http://y HTTP/1.1"), b"GET / "),
    _good("a whole address with a query", _request(b"GET HTTP://y?a=b HTTP/1.1"), b"GET / "),
    _refused("an address without a host", _request(b"GET http:///it HTTP/1.1"), 400),
    _refused("an address with a user", _request(b"GET http://me@y/it HTTP/1.1"), 400),
    _refused("another scheme", _request(b"GET ftp://y/it HTTP/1.1"), 400),
    _refused("a tunnel", _request(b"CONNECT /it HTTP/1.1"), 405),
    _refused("a tunnel to a host", _request(b"CONNECT y:443 HTTP/1.1", LENGTH, body=b"hello"), 405),
    _refused("a space before the colon", _request(b"GET /it HTTP/1.1", b"A : b"), 400),
    _refused("a folded header", _request(b"GET /it HTTP/1.1", b"A: b", b" c"), 400),
    _refused("a header without a name", _request(b"GET /it HTTP/1.1", b": b"), 400),
    _refused("a NUL", _request(b"GET /it HTTP/1.1", b"A: \0"), 400),
    _refused("a bare CR", _request(b"GET /it HTTP/1.1", b"A: b\rC: d"), 400),
    _refused("lines that end with LF", b"GET /it HTTP/1.1\nHost: x\n\n", 400),
    _refused("Authorization twice", _request(b"GET /it HTTP/1.1", b"Authorization: a", b"Authorization: b"), 400),
    _refused("Content-Type twice", _request(b"GET /it HTTP/1.1", b"Content-Type: a/b", b"content-type: c/d"), 400),
    _refused("Origin twice", _request(b"GET /it HTTP/1.1", b"Origin: http://a", b"Origin: http://b"), 400),
    _refused("a long Content-Type", _request(b"GET /it HTTP/1.1", b'Content-Type: a/b; c="' + b";" * 2000), 431),
    _refused("a slow charset", _request(b"GET /it HTTP/1.1", b"Content-Type: a/b; Charset=PunyCode"), 415),
    _refused("a slow charset in quotes", _request(b"GET /it HTTP/1.1", rb'Content-Type: a/b; charset="i\d\na"'), 415),
    _refused("a charset in pieces", _request(b"GET /it HTTP/1.1", b"Content-Type: a/b; charset*=utf-8''x"), 415),
]

PIPELINES = [
    _good("three at once", _post(LENGTH) * 3, IT, IT, IT),
    Case(
        "slow, good, junk",
        _request(b"GET /slow HTTP/1.1") + _post(LENGTH) + b"junk\r\n\r\n",
        (200, 200, 400),
        (b"GET /slow ", IT),
    ),
    Case("a body, then junk", _post(LENGTH) + b"junk\r\n\r\n", (200, 400), (IT,)),
    Case("what follows the end", _post(b"Connection: close", LENGTH) + SMUGGLED, (200,), (IT,)),
]

CASES = [*UPGRADES, *SOCKETS, *HOSTS, *VERSIONS, *LENGTHS, *CODINGS, *HEADS, *PIPELINES]
BY_NAME = {case.name: case for case in CASES}

Split = Callable[[bytes], list[bytes]]


def byte_by_byte(sent: bytes) -> list[bytes]:
    return [sent[place : place + 1] for place in range(len(sent))]


def line_by_line(sent: bytes) -> list[bytes]:
    return sent.splitlines(keepends=True)


def at_once(sent: bytes) -> list[bytes]:
    return [sent]
