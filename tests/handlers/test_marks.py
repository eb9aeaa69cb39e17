"""The decorators mark, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import handrail
import pytest
from handrail import custom_invocation_handler, custom_ping_handler
from handrail.core import marks
from handrail.core.marks import Mark, collect
from handrail.core.slots import Moment, Role, Slot, WrapperSlot


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
        (
            "CUSTOM_FASTAPI_STREAM_HANDLER",
            "custom_stream_handler",
            "custom_sagemaker_stream_handler",
            "/invocations-bidirectional-stream",
        ),
    ]


def test_the_package_exports_what_it_says() -> None:
    """`__all__` is sorted, complete, and every decorator of a slot is in it."""
    assert handrail.__all__ == sorted(handrail.__all__)
    assert {slot.decorator for slot in Slot} < set(handrail.__all__)
    assert all(hasattr(handrail, name) for name in handrail.__all__)


PLACED = [
    (marks.input_formatter, WrapperSlot.INPUT_FORMATTER),
    (marks.output_formatter, WrapperSlot.OUTPUT_FORMATTER),
    (marks.on_startup, Moment.STARTUP),
    (marks.on_shutdown, Moment.SHUTDOWN),
    (custom_ping_handler, Slot.PING),
    (custom_invocation_handler, Slot.INVOCATION),
    (marks.custom_stream_handler, Slot.STREAM),
]


@pytest.mark.parametrize(("decorate", "role"), PLACED, ids=[role.value for _, role in PLACED])
def test_every_decorator_marks_its_role(decorate: Callable[..., Any], role: Role) -> None:
    """With and without parentheses, and it has the name a traceback shows."""
    with collect() as marked:
        assert decorate(handler) is decorate()(handler) is handler
    assert marked == [Mark(role, handler), Mark(role, handler)]
    assert decorate.__name__ == role.decorator


@pytest.mark.parametrize("place", ["throttle", "pre_post_process"])
def test_a_middleware_names_its_place(place: str) -> None:
    """And a class is marked like a function."""
    with collect() as marked:
        assert marks.custom_middleware(place)(handler) is handler
        marks.custom_middleware(place)(Mark)
    assert marked == [Mark(WrapperSlot(place), handler), Mark(WrapperSlot(place), Mark)]


@pytest.mark.parametrize("place", ["input_formatter", "trottle", None, handler])
def test_a_middleware_of_no_known_place_is_refused(place: Any) -> None:
    """`@custom_middleware` without its place as well; the message has those there are."""
    with pytest.raises(ValueError, match=r"^custom_middleware takes 'throttle' or 'pre_post_process', not "):
        marks.custom_middleware(place)


REGISTERING = [
    (marks.register_ping_handler, Slot.PING),
    (marks.register_ping_handler(), Slot.PING),
    (marks.register_invocation_handler, Slot.INVOCATION),
    (marks.register_invocation_handler(), Slot.INVOCATION),
    (marks.register_handler("ping"), Slot.PING),
    (marks.register_handler("invoke"), Slot.INVOCATION),
]


@pytest.mark.parametrize(("register", "slot"), REGISTERING)
def test_a_registered_handler_is_marked_as_one(register: Callable[..., Any], slot: Slot) -> None:
    """What a framework would do; it answers only where nobody customized the slot."""
    with collect() as marked:
        assert register(handler) is handler
    assert marked == [Mark(slot, handler, is_registered=True)]


def test_registering_for_what_is_no_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="register_handler takes 'ping' or 'invoke', not 'invocation'"):
        marks.register_handler("invocation")


def test_each_place_has_its_variable_and_its_decorator() -> None:
    """As the documents write them."""
    assert {place.variable: place.decorator for place in WrapperSlot} == {
        "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE": 'custom_middleware("throttle")',
        "CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS": 'custom_middleware("pre_post_process")',
        "CUSTOM_PRE_PROCESS": "input_formatter",
        "CUSTOM_POST_PROCESS": "output_formatter",
    }
