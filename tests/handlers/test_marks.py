"""The decorators mark, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import handrail
import pytest
from handrail import custom_invocation_handler, custom_ping_handler
from handrail.marks import Mark, collect
from handrail.slots import Slot


def handler() -> None: ...


@pytest.mark.parametrize("decorate", [custom_ping_handler, custom_invocation_handler])
def test_a_decorator_returns_its_function_unchanged(decorate: Callable[..., Any]) -> None:
    """With or without parentheses, inside a load or outside one, the function stays what it is."""
    before = dict(vars(handler))
    assert decorate(handler) is handler
    assert decorate()(handler) is handler
    with collect():
        assert decorate(handler) is handler
    assert vars(handler) == before


def test_marks_are_collected_in_order() -> None:
    """Each use is a mark of its slot, both slots on one function included."""
    with collect() as marks:
        custom_ping_handler(custom_invocation_handler(handler))
    assert marks == [Mark(Slot.INVOCATION, handler), Mark(Slot.PING, handler)]


def test_outside_of_a_load_nothing_is_kept() -> None:
    """A script imported by its author's own tests leaves no trace, before, after or around a load."""
    custom_ping_handler(handler)
    with collect() as outer:
        with collect() as inner:
            custom_ping_handler(handler)
        assert inner == [Mark(Slot.PING, handler)]
    custom_ping_handler(handler)
    assert outer == []


def test_a_load_that_fails_ends_its_collection() -> None:
    """An exception of the script does not leave the list open."""
    with pytest.raises(LookupError), collect() as marks:
        raise LookupError
    custom_ping_handler(handler)
    assert marks == []


@pytest.mark.parametrize("value", ["ping", 7, [], object()])
@pytest.mark.parametrize("decorate", [custom_invocation_handler, custom_invocation_handler()])
def test_only_what_can_be_called_is_marked(decorate: Callable[..., Any], value: Any) -> None:
    """Anything else is a TypeError that quotes it."""
    with pytest.raises(TypeError, match="@custom_invocation_handler marks a function, not "):
        decorate(value)


def test_what_has_no_name_is_marked_too() -> None:
    """Partials and objects with `__call__` are handlers like any other."""
    with collect() as marks:
        marked = custom_ping_handler(functools.partial(handler))
    assert marks == [Mark(Slot.PING, marked)]


def test_each_slot_has_its_four_names() -> None:
    """The variable, the decorator, the function and the route, as the documents write them."""
    assert [(s.variable, s.decorator, s.function, s.path) for s in Slot] == [
        ("CUSTOM_FASTAPI_PING_HANDLER", "custom_ping_handler", "custom_sagemaker_ping_handler", "/ping"),
        (
            "CUSTOM_FASTAPI_INVOCATION_HANDLER",
            "custom_invocation_handler",
            "custom_sagemaker_invocation_handler",
            "/invocations",
        ),
    ]


def test_the_package_exports_what_it_says() -> None:
    """`__all__` is sorted, complete, and every decorator of a slot is in it."""
    assert handrail.__all__ == sorted(handrail.__all__)
    assert {slot.decorator for slot in Slot} < set(handrail.__all__)
    assert all(hasattr(handrail, name) for name in handrail.__all__)
