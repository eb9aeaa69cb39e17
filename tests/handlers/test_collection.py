"""No full collection of garbage runs while many objects are made."""

from __future__ import annotations

import gc
from typing import Annotated

import pytest
from handrail.core.collection import Pause
from handrail.core.first_error import at_first_error
from pydantic import AfterValidator, TypeAdapter


def paused() -> bool:
    return gc.get_threshold()[2] > 1_000_000


def test_it_goes_on_when_the_last_has_left() -> None:
    pause, before = Pause(), gc.get_threshold()
    with pause:
        with pause:
            assert paused()
        assert paused()
        assert gc.get_threshold()[:2] == before[:2]
    assert gc.get_threshold() == before
    with pytest.raises(ValueError, match="no"), pause:
        raise ValueError("no")
    assert gc.get_threshold() == before


def test_a_validation_in_a_thread_pauses_it() -> None:
    seen: list[bool] = []

    def look(value: int) -> int:
        seen.append(paused())
        return value

    adapter = at_first_error(TypeAdapter(Annotated[int, AfterValidator(look)]), 256)
    adapter.validate_python(1)
    adapter.validator.validate_in_thread(1)  # type: ignore[attr-defined]
    assert seen == [False, True]
