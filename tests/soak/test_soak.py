"""Both kinds of `scripts/soak`, for some seconds, and whether they would notice."""

from __future__ import annotations

import asyncio

import pytest

from tests.soak.client import Ask, Client, Lost, Refused
from tests.soak.restarts import Restarts
from tests.soak.soak import Size, Soak

pytestmark = pytest.mark.slow


def test_a_mixed_load_leaves_nothing_behind() -> None:
    """Nothing grew, nothing was lost, and `/metrics` counts as the clients do."""
    soak = Soak("echo", clients=16, seed=0, warm_up=400, rest_s=1)
    soak.run(600, 0)
    assert soak.complaints == []
    assert soak.seen.total() == 1000
    assert set(soak.seen) == {"ok", "cancelled", "client_error", "handler_error", "timeout"}


async def test_no_answer_is_lost_in_a_stop() -> None:
    """Whatever the server was doing: what was sent has an answer, or its connection was refused."""
    restarts = Restarts(seed=1)
    await restarts.run(4)
    assert restarts.is_good, str(restarts)
    assert restarts.exits.total() == 4


SIZE = Size(100.0, 10, 3, 8)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (Size(109.0, 10, 3, 8), []),
        (Size(111.0, 10, 3, 8), ["rss_mb grew"]),
        (Size(90.0, 11, 4, 9), ["descriptors grew", "threads grew", "tasks grew"]),
    ],
)
def test_it_complains_of_what_grew(last: Size, said: list[str]) -> None:
    """Memory has a tenth; the rest has none."""
    soak = Soak("echo", 1, 0)
    soak.sizes = [SIZE, last]
    assert soak.complaints == said
    assert soak.is_good is (not said)
    assert (said or ["nothing grew, nothing was lost"])[0] in str(soak)


def test_it_complains_of_what_was_lost_or_counted_otherwise() -> None:
    """Each by itself."""
    soak = Soak("echo", 1, 0)
    soak.sizes = [SIZE, SIZE]
    soak.seen["ok"] += 1
    assert soak.complaints == ["clients and /metrics disagree"]
    soak.counted["ok"] += 1
    soak.lost["in the post"] += 2
    assert soak.complaints == ["lost: 2 in the post"]


async def test_a_client_knows_lost_from_refused() -> None:
    """A server that hangs up on it has taken its request; one that is not there has not."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Lost, match="IncompleteReadError on a new connection, /a"):
        await Client(port).ask(Ask("/a", {}))
    server.close()
    await server.wait_closed()
    with pytest.raises(Refused):
        await Client(port).ask(Ask("/a", {}))
