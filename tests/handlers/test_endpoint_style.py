"""A handler for Inference Endpoints, found and started without the server; and the turns of its requests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import NameMissing
from handrail.core.ladder import Sources
from handrail.core.slots import Slot
from handrail.core.whole_model import Start
from handrail.resolve import Program, resolve
from handrail.styles.endpoint_handler.inspection import inspect_class
from handrail.styles.endpoint_handler.style import EndpointStyle
from handrail.styles.endpoint_handler.surroundings import EndpointSurroundings
from handrail.styles.endpoint_handler.turns import CallTurns
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from tests.handlers.conftest import Place
from tests.handlers.driver import WordEngine, scope, send


def found(model_path: Path, surroundings: EndpointSurroundings | None = None) -> Program:
    return resolve(Sources(model_path, styles=(EndpointStyle(surroundings),)))


async def started(model_path: Path, surroundings: EndpointSurroundings | None = None) -> ASGIApp:
    program = found(model_path, surroundings)
    assert program.faults == ()
    (model,) = program.models
    await model.start(Start(WordEngine(), ""))
    handler = program.resolutions[Slot.INVOCATION].handler
    assert handler is not None
    return handler.app


async def test_it_needs_no_settings(place: Place, model_path: Path) -> None:
    place("endpoint_handler/echoes", "handler.py")
    assert (await send(await started(model_path), {"inputs": "a"})).json() == {"inputs": "a"}


def test_an_empty_directory_has_no_handler(model_path: Path) -> None:
    assert found(model_path).models == ()


class OfC(dict[str, Any]):
    """Its signatures are C's, and cannot be read."""

    __call__ = max


class WithoutInit:
    def __call__(self, data: Any) -> None: ...


class Open:
    def __init__(self, *args: Any) -> None: ...

    def __call__(self, *args: Any) -> None: ...  # a decorator without functools.wraps


def test_what_cannot_be_read_is_called_as_there() -> None:
    known = inspect_class(OfC, "OfC", "x.py")
    assert (known.made.text, known.call.text, known.call.arguments) == ("class OfC", "__call__", ())
    assert not inspect_class(Open, "Open", "x.py").takes_engine


def test_a_class_without_an_init_takes_no_path() -> None:
    with pytest.raises(Exception, match="class WithoutInit: it is given the path of the model directory"):
        inspect_class(WithoutInit, "WithoutInit", "x.py")


def test_a_class_is_not_called_by_its_metaclass() -> None:
    """`type` has a `__call__`, too."""
    with pytest.raises(NameMissing, match="has no `__call__`"):
        inspect_class(EndpointSurroundings, "Surroundings", "x.py")


async def test_a_client_that_left_while_it_waited_is_not_worked_for(place: Place, model_path: Path) -> None:
    place("endpoint_handler/counts_at_once", "handler.py")
    app = await started(model_path)
    first = asyncio.create_task(send(app, {"inputs": {"together": 2, "patience": 0.3}}))
    messages = iter([{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def nothing(message: Any) -> None: ...  # pragma: no cover  nothing is sent

    await asyncio.sleep(0)
    with pytest.raises(ClientDisconnect):
        await app(scope(), receive, nothing)
    assert (await first).json() == 1


async def test_a_turn_that_is_over_calls_nothing() -> None:
    """Its thread came late: the request has ended, and the turn is the next one's."""
    turns, called = CallTurns(1), list[int]()
    turn = await turns.take()
    assert turns.are_taken
    turn.end()
    assert turn.run(called.append, 1) is None
    assert (called, turns.are_taken, turns.stuck_s()) == ([], False, 0.0)


async def test_a_turn_goes_on_as_long_as_its_call() -> None:
    turns = CallTurns(1)
    turn = await turns.take()

    def leave(result: str) -> str:
        turn.end()
        assert turns.stuck_s() > 0
        return result

    assert turn.run(leave, "late") == "late"
    assert turns.are_taken
    await asyncio.sleep(0)
    assert (turns.are_taken, turns.stuck_s()) == (False, 0.0)
