from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

from handrail_container.process.blocked_at import place_of


def mine() -> int:
    return threading.get_ident()


async def outer() -> str:
    return await inner()


async def inner() -> str:
    return str(place_of(mine()))


async def test_the_user_s_deepest_line_and_who_called_it() -> None:
    """Coroutines that await each other are one stack; the event loop's part of it is nobody's."""
    place = await outer()
    assert place.startswith(f"{__file__}:{inner.__code__.co_firstlineno + 1} (")
    assert place.endswith(" > outer > inner)")
    assert "runners.py" not in place


def test_a_library_that_the_user_called_is_not_the_place() -> None:
    """The line is the one in the user's file that called it."""
    places = []

    def note(pairs: object) -> object:
        places.append(place_of(mine()))
        return pairs

    json.loads('{"a": 1}', object_pairs_hook=note)
    (place,) = places
    assert place is not None
    assert (Path(place.line.rpartition(":")[0]), place.is_users) == (Path(__file__), True)


def test_where_the_user_has_no_part_it_is_the_deepest_line() -> None:
    """A thread that waits in the standard library."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    place = place_of(thread.ident or 0)
    release.set()
    thread.join()
    assert place is not None
    assert not place.is_users
    assert "threading.py" in place.line
    assert place.callers == ()


def test_a_thread_that_is_none_is_nowhere() -> None:
    """And neither is one that is in the event loop."""
    assert place_of(0) is None
    loop, places = asyncio.new_event_loop(), []
    started = threading.Event()
    loop.call_soon(started.set)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started.wait()
    while (place := place_of(thread.ident or 0)) and place.is_users:
        places.append(place)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
