from __future__ import annotations

from collections.abc import Iterator

import pytest
from handrail.core.steps import ENDED, Steps


def two(ended: list[str]) -> Iterator[str]:
    try:
        yield "a"
        yield "b"
    finally:
        ended.append("ended")


def test_a_step_that_had_not_begun_when_it_was_left_is_not_made() -> None:
    """A thread had taken it; who left closes."""
    ended: list[str] = []
    steps = Steps(two(ended))
    assert steps.next() == "a"
    assert steps.leave()
    assert steps.next() is ENDED
    assert ended == []
    steps.close()
    assert ended == ["ended"]


def test_what_has_ended_needs_no_closing() -> None:
    steps = Steps(two([]))
    assert [steps.next() for _ in range(3)] == ["a", "b", ENDED]
    assert not steps.leave()


def test_what_was_left_in_its_step_is_closed_by_it() -> None:
    """Once, and whoever left has nothing to close."""
    ended: list[str] = []
    closes: list[bool] = []

    def generate() -> Iterator[str]:
        closes.append(steps.leave())
        yield from two(ended)

    steps = Steps(generate())
    assert steps.next() == "a"
    assert closes == [False]
    assert ended == ["ended"]
    with pytest.raises(StopIteration):
        next(steps._generator)
