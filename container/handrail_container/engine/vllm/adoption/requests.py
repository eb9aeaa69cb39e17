"""Requests of blocking code: each runs on the engine's loop, and a thread takes their outputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from handrail.core.presence import asker
from starlette.requests import ClientDisconnect

T = TypeVar("T")


class RequestSet:
    """The requests of one call, in the order in which they end. Belongs to one thread at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: dict[str, Future[None]] = {}
        self._outputs: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    @property
    def count(self) -> int:
        return len(self._running)

    def add(self, request_id: str, ask: Callable[[], AsyncIterator[Any]]) -> None:
        """Start a request; `ask` is called on the engine's loop."""

        async def pour() -> None:
            async with aclosing(ask()) as outputs:  # type: ignore[type-var]  # vLLM's are generators
                async for output in outputs:
                    output.request_id = request_id
                    self._outputs.put((request_id, output))

        call = asyncio.run_coroutine_threadsafe(for_asker(pour()), self._loop)
        self._running[request_id] = call
        call.add_done_callback(lambda ended: self._outputs.put((request_id, ended)))

    def step(self) -> list[Any]:
        """The outputs since the last step; waits for the first of them. Raises what a request raised."""
        outputs: list[Any] = []
        while self._running and not outputs:
            outputs = [output for output in map(self._settled, self._taken()) if output is not None]
        return outputs

    def abort(self, request_ids: list[str]) -> None:
        for request_id in request_ids:
            call = self._running.pop(request_id, None)
            if call is not None:
                call.cancel()

    def _taken(self) -> Iterator[tuple[str, Any]]:
        yield self._outputs.get()
        while True:
            try:
                yield self._outputs.get_nowait()
            except Empty:
                return

    def _settled(self, item: tuple[str, Any]) -> Any:
        """An output of a request that runs; None for the end of one."""
        request_id, output = item
        if not isinstance(output, Future):
            return output if request_id in self._running else None
        if self._running.pop(request_id, None) is not None:
            _raise_failure(output)
        return None


def _raise_failure(ended: Future[None]) -> None:
    if ended.cancelled():
        raise ClientDisconnect
    error = ended.exception()
    if error is not None:
        raise cause_of(error)


def cause_of(error: BaseException) -> BaseException:
    """vLLM wraps what it does not expect in an error without a text."""
    return error.__cause__ if type(error).__name__ == "EngineGenerateError" and error.__cause__ else error


async def for_asker(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; it is cancelled when the request for which it is done is over.

    Raises ClientDisconnect if that is over already.
    """
    request = asker.get()
    if request is None:
        return await work
    if request.is_over:
        work.close()
        raise ClientDisconnect
    call = asyncio.ensure_future(work)
    request.calls.add(call)
    try:
        return await call
    finally:
        request.calls.discard(call)


_OWN: ContextVar[RequestSet | None] = ContextVar("handrail_requests", default=None)


@contextmanager
def own_requests(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Requests that this thread adds in here are a set of their own, and end with it."""
    requests = RequestSet(loop)
    token = _OWN.set(requests)
    try:
        yield
    finally:
        _OWN.reset(token)
        requests.abort(list(requests._running))


def current_requests() -> RequestSet | None:
    return _OWN.get()
