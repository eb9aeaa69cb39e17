"""The head of an answer goes out with its body, and nothing waits that a client may wait for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from handrail_container.outlet import Outlet

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Wire(asyncio.Transport):
    """What was given to the system, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data))

    def write_eof(self) -> None:
        self.calls.append("eof")

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls

    def get_write_buffer_size(self) -> int:
        return 7


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def outlet(wire: Wire) -> Outlet:
    outlet = Outlet(wire)
    outlet.begin()
    return outlet


def test_a_head_goes_out_with_the_first_of_its_body(wire: Wire, outlet: Outlet) -> None:
    """What comes after that goes out at once, also where it looks like a head."""
    outlet.write(HEAD)
    assert not wire.calls
    for piece in (b"ab", HEAD):
        outlet.write(piece)
    assert wire.calls == [HEAD + b"ab", HEAD]


def test_the_head_of_a_stream_does_not_wait(wire: Wire, outlet: Outlet) -> None:
    """Its first piece may take long; and a piece is no head, whatever it says."""
    outlet.write(STREAM)
    outlet.write(HEAD)
    assert wire.calls == [STREAM, HEAD]


def test_a_large_body_is_not_copied(wire: Wire, outlet: Outlet) -> None:
    """The head still comes first."""
    body = b"x" * 100_000
    outlet.write(HEAD)
    outlet.write(body)
    assert wire.calls == [HEAD, body]


def test_a_head_alone_goes_out_when_the_answer_is_over(wire: Wire, outlet: Outlet) -> None:
    """As one to HEAD; and once."""
    outlet.write(HEAD)
    outlet.flush()
    outlet.flush()
    assert wire.calls == [HEAD]


@pytest.mark.parametrize(("end", "call"), [("close", "close"), ("write_eof", "eof")])
def test_a_head_goes_out_before_the_connection_ends(wire: Wire, outlet: Outlet, end: str, call: str) -> None:
    """A client reads how the answer was meant to begin."""
    outlet.write(HEAD)
    getattr(outlet, end)()
    assert wire.calls == [HEAD, call]


def test_the_rest_is_the_transport_s(wire: Wire, outlet: Outlet) -> None:
    """Uvicorn asks it for more than is here."""
    assert (outlet.get_write_buffer_size(), outlet.is_closing()) == (7, False)
    outlet.close()
    assert outlet.is_closing()
