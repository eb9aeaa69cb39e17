"""Message framing (RFC 9112): checks of a request's head, and the headers that frame an answer.

A head that a proxy could read differently is refused, never mended: the proxy would see the next request begin
elsewhere. The server frames its answers; headers that a handler copied from another answer count only if they fit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from handrail.core.charsets import names_slow_charset

from handrail_container.http.envelope import WITHOUT_BODY, Failure

Header = tuple[bytes, bytes]

_HOST = b"host"
_EXPECT = b"expect"
_CODING = b"transfer-encoding"
_LENGTH = b"content-length"
_COOKIE = b"cookie"
_TYPE = b"content-type"
#: The request headers that must not be repeated.
_ONCE = (_HOST, _CODING, b"authorization", _TYPE, b"origin")

#: Bytes that no header's value may have: a line break would begin another header, or another answer.
CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)

#: Backslashes in the cookies times their bytes. Before Python 3.11.10 and 3.12.6, `http.cookies` takes time that grows
#: with this product, and FastAPI parses the cookies of each request: 7 s for 60 KiB of backslashes, 40 ms for this.
_MAX_COOKIE_WORK = 20_000_000

#: A type, its charset and a form's boundary have a hundred; parsers take time that grows with the square of more.
_MAX_TYPE_BYTES = 1024

_OTHER_VERSION = Failure(505, "this server speaks HTTP/1.1 and HTTP/1.0")
_OLD_VERSION = Failure(400, "this server speaks HTTP/1.1 and HTTP/1.0")
_NO_HOST = Failure(400, "a request of HTTP/1.1 has a Host header")
_BAD_HOST = Failure(400, "the Host header is no name or address of a host, with or without a port")
_OTHER_CODING = Failure(501, "the only Transfer-Encoding that this server knows is 'chunked'")
_DEAR_COOKIES = Failure(431, "the Cookie header has too many backslashes: send fewer, or shorter cookies")
_LONG_TYPE = Failure(431, f"the Content-Type header is longer than {_MAX_TYPE_BYTES} bytes")
_SLOW_CHARSET = Failure(415, "the charset of the Content-Type takes too long to decode: send utf-8")
_CODING_OF_1_0 = Failure(400, "a request of HTTP/1.0 has no Transfer-Encoding")


def fault_of_head(version: str, headers: Sequence[Header], named: Mapping[bytes, bytes]) -> Failure | None:
    """The error for an invalid head, or None. `named` are its `headers`, with lower-case names, as a mapping."""
    if version not in ("1.1", "1.0"):
        return _OLD_VERSION if version.startswith("0") else _OTHER_VERSION
    if len(named) != len(headers) and (twice := _said_twice([name for name, _ in headers])):
        return twice
    host = named.get(_HOST)
    if host is None:
        if version == "1.1":
            return _NO_HOST
    elif not _is_authority(host):
        return _BAD_HOST
    if _COOKIE in named and _cookie_work(headers) > _MAX_COOKIE_WORK:
        return _DEAR_COOKIES
    kind = named.get(_TYPE)
    if kind is not None and (fault := _fault_of_type(kind)):
        return fault
    coding = named.get(_CODING)
    if coding is None:
        return None
    if version == "1.0":
        return _CODING_OF_1_0
    return None if coding.lower() == b"chunked" else _OTHER_CODING


def _fault_of_type(value: bytes) -> Failure | None:
    if len(value) > _MAX_TYPE_BYTES:
        return _LONG_TYPE
    return _SLOW_CHARSET if b"charset" in value.lower() and names_slow_charset(value) else None


def expects_continue(named: Mapping[bytes, bytes]) -> bool:
    """Whether the client waits for `100 Continue`, the only expectation that a server can meet."""
    return _EXPECT in named and named[_EXPECT].lower() == b"100-continue"


def _cookie_work(headers: Sequence[Header]) -> int:
    cookies = [value for name, value in headers if name == _COOKIE]
    return sum(value.count(b"\\") for value in cookies) * sum(len(value) for value in cookies)


@functools.lru_cache(maxsize=16)  # few are in use, and a client may send long ones
def _is_authority(host: bytes) -> bool:
    return _AUTHORITY.fullmatch(host) is not None


def _said_twice(names: list[bytes]) -> Failure | None:
    twice = next((name for name in _ONCE if names.count(name) > 1), None)
    return Failure(400, f"the header {twice.decode()} is there twice") if twice is not None else None


def origin_form(target: bytes) -> tuple[bytes, bytes] | None:
    """The host, and path and query, of a target that is a whole address (`GET http://host/path`); else None."""
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not _AUTHORITY.fullmatch(found[1]):
        return None
    rest = found[2]
    return found[1], rest if rest.startswith(b"/") else b"/" + rest


def framed(status: int, headers: list[Header]) -> list[Header]:
    """The headers of an answer as they are sent. Raises ValueError for an invalid name or length.

    The server chooses Transfer-Encoding itself. An answer without a body has no Content-Length either: a client would
    read the next answer as its body.
    """
    place = _place_of_length(tuple([name for name, _ in headers]))
    if place is None or status in WITHOUT_BODY:
        return _reframed(status, headers)
    if place >= 0:
        _check_length(headers[place][1])
    return headers


@functools.lru_cache(maxsize=256)
def _place_of_length(names: tuple[bytes, ...]) -> int | None:
    """The index of Content-Length, -1 if there is none; None if `_reframed` has to look at each header."""
    lower = [name.lower() for name in names]
    if _CODING in lower or lower.count(_LENGTH) > 1 or not all(map(_NAME.fullmatch, names)):
        return None
    return lower.index(_LENGTH) if _LENGTH in lower else -1


def _check_length(value: bytes) -> None:
    if not value.isdigit():
        raise ValueError(f"the header Content-Length of the answer is {value.decode('latin-1')!r}: it is a number")


def _reframed(status: int, headers: list[Header]) -> list[Header]:
    kept: list[Header] = []
    lengths: set[bytes] = set()
    for name, value in headers:
        lower = name.lower()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name.decode('latin-1')!r} is no name of a header")
        if lower == _LENGTH:
            lengths.add(value)
        elif lower != _CODING:
            kept.append((name, value))
    if status in WITHOUT_BODY or not lengths:
        return kept
    if len(lengths) > 1:
        said = " and ".join(sorted(length.decode("latin-1") for length in lengths))
        raise ValueError(f"the answer has more than one Content-Length: {said}")
    (length,) = lengths
    _check_length(length)
    return [(_LENGTH, length), *kept]
