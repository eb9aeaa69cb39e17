"""The parts of a WebSocket's connection by themselves: what waits, what time passes, whose page it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import Iterator

import pytest
from handrail_container.http.inbox import MOST_WAITING, MOST_WAITING_BYTES, Inbox
from handrail_container.http.origins import Origins
from handrail_container.server.open_files import OpenFiles
from handrail_container.server.protocols.patience import Due, Patience
from handrail_container.settings.fields import Settings
from handrail_container.settings.limits import is_origin
from pydantic import ValidationError
from starlette.types import Message


def text(said: str) -> Message:
    return {"type": "websocket.receive", "text": said}


@pytest.mark.parametrize(
    "said", ["a", "x" * (MOST_WAITING_BYTES // 4), "\N{GRINNING FACE}" * (MOST_WAITING_BYTES // 8)]
)
async def test_an_inbox_is_full_by_number_or_by_memory(said: str) -> None:
    """It has room again once enough was taken."""
    inbox, count = Inbox(), 0
    while not inbox.is_full:
        inbox.put(text(said))
        count += 1
    assert count == (MOST_WAITING if said == "a" else len(range(0, MOST_WAITING_BYTES, len(said.encode()))))
    waiting = asyncio.create_task(inbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(count):
        assert await inbox.get() == text(said)
    await waiting


async def test_an_inbox_ends_with_a_disconnect_for_whoever_asks() -> None:
    """Behind what came before it; before it where we end it ourselves. The first end counts."""
    for is_cut in (False, True):
        inbox = Inbox()
        inbox.put(text("a"))
        (inbox.cut if is_cut else inbox.end)(4000, "mine")
        inbox.end(1005)
        if not is_cut:
            assert await inbox.get() == text("a")
        for _ in range(2):
            assert await inbox.get() == {"type": "websocket.disconnect", "code": 4000, "reason": "mine"}


def passing(patience: Patience, looks: int, unread: Iterator[int] | int = 0, *, is_read: bool = True) -> list[Due]:
    """What is due, once a second."""
    start = patience._looked_at + 1
    sizes = [unread] * looks if isinstance(unread, int) else [next(unread) for _ in range(looks)]
    dues = [patience.check(start + at, size, is_open=True, is_read=is_read) for at, size in enumerate(sizes)]
    return [due for due in dues if due is not Due.NOTHING]


def test_who_is_silent_after_a_ping_is_late() -> None:
    """And who says anything at all is not."""
    patience = Patience(20, 20)
    patience.open()
    assert passing(patience, 40) == [Due.PING]
    patience.hear()
    assert passing(patience, 20) == [Due.PING]
    assert passing(patience, 3)[-1:] == [Due.SILENT]


def test_who_is_not_read_is_not_late() -> None:
    """Its pong may be in what waits."""
    patience = Patience(20, 20)
    patience.open()
    assert passing(patience, 600, is_read=False) == [Due.PING]


def test_a_blocked_loop_is_nobody_s_silence() -> None:
    patience = Patience(20, 20)
    patience.open()
    assert passing(patience, 21) == [Due.PING]
    assert patience.check(patience._looked_at + 600, 0, is_open=True, is_read=True) is Due.NOTHING


@pytest.mark.parametrize(("ping_s", "pong_s", "dues"), [(None, 20, []), (20, None, [Due.PING] * 5)])
def test_bounds_that_are_not_set(ping_s: float | None, pong_s: float | None, dues: list[Due]) -> None:
    patience = Patience(ping_s, pong_s)
    patience.open()
    assert passing(patience, 101) == dues


def test_who_takes_nothing_is_cut_and_who_takes_a_little_is_not() -> None:
    """No ping is added to what is unread: it would look as if something were taken."""
    patience = Patience(20, 20)
    patience.open()
    assert passing(patience, 61, 5000) == []
    assert passing(patience, 1, 5000) == [Due.CUT]
    assert passing(patience, 300, iter(range(4999, 0, -1))) == []


def test_who_is_to_go_has_its_time() -> None:
    """More where it still reads."""
    patience = Patience(None, None)
    patience.end_within(10)
    assert passing(patience, 50, iter(range(50, 0, -1))) == []
    assert passing(patience, 1) == [Due.CUT]


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "is_let_in"),
    [
        (None, b"here", (), True),
        (b"http://here:8080", b"here:8080", (), True),
        (b"https://Here", b"hERE", (), True),
        (b"https://there", b"here", (), False),
        (b"https://here.evil", b"here", (), False),
        (b"http://here:1", b"here:2", (), False),
        (b"null", b"here", (), False),
        (b"null", b"", (), False),
        (b"", b"", (), False),
        (b"https://", b"", (), False),
        (b"\xff", b"\xff", (), False),
        (b"https://there", b"here", ("https://THERE",), True),
        (b"http://there", b"here", ("https://there",), False),
        (b"null", b"here", ("null",), True),
        (b"https://there", b"here", ("*",), True),
    ],
)
def test_which_pages_are_let_in(origin: bytes | None, host: bytes, allowed: tuple[str, ...], is_let_in: bool) -> None:
    headers = {b"host": host} | ({} if origin is None else {b"origin": origin})
    refusal = Origins(allowed).refusal(headers)
    assert (refusal is None) is is_let_in
    assert refusal is None or (refusal.status, "HANDRAIL_ALLOWED_ORIGINS" in refusal.message) == (403, True)


@pytest.mark.parametrize("origin", ["*", "null", "https://a.b", "http://localhost:3000", "http://[::1]:3000"])
def test_what_is_an_origin(origin: str) -> None:
    assert is_origin(origin)


@pytest.mark.parametrize(
    "origin",
    ["", "a.b", "https://", "https://a/", "https://a/b", "https://a:b", "https://u@a", "https://[", "//a", "**"],
)
def test_what_is_no_origin_stops_the_start(origin: str) -> None:
    assert not is_origin(origin)
    with pytest.raises(ValidationError, match="write each as a browser does"):
        Settings(HANDRAIL_ALLOWED_ORIGINS=f"https://a,{origin}")


def test_origins_are_listed_with_commas() -> None:
    assert Settings(HANDRAIL_ALLOWED_ORIGINS="https://a, http://b:1").origins == ("https://a", "http://b:1")
    assert Settings().origins == ()


def test_too_many_open_files_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And that it is over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files, held = OpenFiles(), []
    files.check()
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        for _ in range(3):
            files.check()
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            files.check()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "Too many open files (ulimit -n is " in caplog.messages[0]
