from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from handrail_container.process.garbage import CollectionHeld, collection_paused, freeze_objects


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    gc.unfreeze()  # what was frozen before the first test
    yield
    gc.enable()
    gc.unfreeze()


def test_garbage_is_not_looked_for_within_and_is_after() -> None:
    """What was made within is not looked at again."""
    with collection_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count()


def test_who_does_not_collect_goes_on_so() -> None:
    """Somebody has reasons for that."""
    gc.disable()
    with collection_paused():
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert not gc.get_freeze_count()


def test_what_is_kept_is_not_looked_at() -> None:
    """And what has gone by then is not kept."""
    gone = weakref.ref(held := Ring())
    held.itself = held
    del held
    freeze_objects()
    assert gone() is None
    assert gc.get_freeze_count()


async def test_none_looks_for_garbage_until_the_last_of_several_answers_is_sent() -> None:
    gc.enable()
    held = CollectionHeld()
    with held.until_next_turn():
        with held.until_next_turn():
            assert not gc.isenabled()
        await asyncio.sleep(0)
        assert not gc.isenabled()
    assert not gc.isenabled()  # in this turn the answer is encoded
    await asyncio.sleep(0)
    assert gc.isenabled()


async def test_who_does_not_collect_does_not_after_an_answer() -> None:
    gc.disable()
    with CollectionHeld().until_next_turn():
        assert not gc.isenabled()
    await asyncio.sleep(0)
    assert not gc.isenabled()


class Ring:
    itself: Ring
