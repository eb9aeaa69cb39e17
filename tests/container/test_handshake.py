"""Whether a request is a WebSocket's handshake, of heads that a parser in front may have refused already."""

from __future__ import annotations

import pytest
from handrail_container.http.envelope import Failure
from handrail_container.server.protocols.handshake import Head, acceptance, answer, fault, read, scope

HEADERS = [(b"sec-websocket-version", b"13"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")]


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        (b"POST", [], 405),
        (b"GET", [(b"content-length", b"0"), (b"content-length", b"00")], 400),
        (b"GET", [(b"transfer-encoding", b"identity")], 400),
        (b"GET", [(b"sec-websocket-version", b"13")], 426),
        (b"GET", [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")], 400),
    ],
)
def test_what_is_no_handshake(method: bytes, more: list[tuple[bytes, bytes]], status: int) -> None:
    wrong = fault(Head(method, b"/", HEADERS + more))
    assert wrong is not None
    assert wrong.status == status
    assert wrong.headers == {405: {"Allow": "GET"}, 426: {"Sec-WebSocket-Version": "13"}}.get(status)


@pytest.mark.parametrize(
    "key", [b"", b"dGhlIHNhbXBsZSBub25jZQ", b"dGhl IHNhbXBsZSBub25jZQ==", b"\xff" * 24, b"A" * 1000]
)
def test_what_is_no_key(key: bytes) -> None:
    assert fault(Head(b"GET", b"/", [HEADERS[0], (b"sec-websocket-key", key)])) is not None


@pytest.mark.parametrize("target", [b"", b"/\xff", b"http://", b"http://host"])
def test_what_is_no_path(target: bytes) -> None:
    told = scope(Head(b"GET", target, HEADERS), "", _Nowhere(), {})
    assert isinstance(told, Failure)
    assert told.status == 400


class _Nowhere:
    def get_extra_info(self, name: str) -> None:
        """A transport without addresses."""


def test_a_transport_without_addresses() -> None:
    told = scope(Head(b"GET", b"/a", HEADERS), "/root", _Nowhere(), {"a": 1})
    assert not isinstance(told, Failure)
    assert (told["client"], told["server"], told["path"], told["state"]) == (None, None, "/root/a", {"a": 1})


def test_a_head_is_read_as_it_was_written() -> None:
    """Values may have colons, names are lower-case."""
    head = read(b"GET /a b HTTP/1.1\r\nHost: a:1\r\nX-Empty:\r\nx-empty: 2")
    assert head == Head(b"GET", b"/a b", [(b"host", b"a:1"), (b"x-empty", b""), (b"x-empty", b"2")])


def test_the_answer_to_a_key_is_that_of_the_rfc() -> None:
    said = acceptance(Head(b"GET", b"/", HEADERS), [], "chat")
    assert said.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in said
    assert b"sec-websocket-protocol: chat\r\n" in said


@pytest.mark.parametrize("header", [(b"a", b"b\r\nc: d"), (b"a\nb", b"c"), (b"a", b"\0")])
def test_what_no_header_may_hold(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        answer(200, [header])
