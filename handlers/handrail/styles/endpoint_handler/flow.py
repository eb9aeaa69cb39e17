"""Runs a request through the handler: the body is read, the handler called in its turn, its answer encoded."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail.core.answers import is_stream, to_response
from handrail.core.blocking import asking_for
from handrail.core.calling import is_async, on_loop
from handrail.core.remarks import Remarks
from handrail.core.slots import Slot
from handrail.core.threads import run_in_threadpool
from handrail.styles.endpoint_handler.decoding import Read, reader, with_query
from handrail.styles.endpoint_handler.encoding import encode
from handrail.styles.endpoint_handler.inspection import HandlerClass
from handrail.styles.endpoint_handler.turns import CallTurns, Turn

_ENDED: Any = object()


class EndpointFlow:
    """`app` is the ASGI application of /invocations; it raises the handler's exceptions."""

    def __init__(self, found: HandlerClass, task: str, concurrency: int) -> None:
        self._found = found
        self._task = task
        self._turns = CallTurns(concurrency)
        self._encode = on_loop(encode)
        self._look = Remarks(found.call.name, found.call.where).check
        self._handler: Any = None

    async def begin(self, path: str, given: Mapping[str, Any]) -> None:
        """Make the handler, in a thread. Called in the event loop, before the first request."""
        self._handler = await run_in_threadpool(self._found.cls, path, **given)

    def stuck_s(self) -> float:
        """Seconds for which every turn has been held by a call whose request is over."""
        return self._turns.stuck_s()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        read = reader(request.headers.get("content-type"), self._task)
        body = await request.body()
        waits = self._turns.are_taken
        with await self._turns.take() as turn, asking_for(request):
            if waits and await request.is_disconnected():
                raise ClientDisconnect
            answer = await self._called(turn, read, body, request)
            if not is_stream(answer):  # a stream is the handler's work to its end
                turn.end()
            response = await self._response(answer, ", ".join(request.headers.getlist("accept")))
            await response(scope, receive, send)

    async def _called(self, turn: Turn, read: Read, body: bytes, request: Request) -> Any:
        """What the handler returns. The body is read in its turn, which lasts until that is done, whoever leaves: an
        image may be far larger than its file, and take longer."""
        data = with_query(await run_in_threadpool(turn.run, read, body), request.query_params)
        if is_async(self._handler):
            return await self._handler(data)
        if self._found.makes_stream:
            answer = self._handler(data)  # only creates the generator
        else:
            answer = await run_in_threadpool(turn.run, self._handler, data)
        if inspect.isgenerator(answer):
            return _in_turn(turn, answer)
        return await answer if inspect.isawaitable(answer) else answer

    async def _response(self, answer: Any, accept: str) -> Response:
        if isinstance(answer, Response) or is_stream(answer):
            return await to_response(answer, Slot.INVOCATION)
        if answer is None or isinstance(answer, tuple):
            self._look(answer)
        body, kind = await self._encode(answer, accept)
        return Response(body, media_type=kind)


def _in_turn(turn: Turn, items: Generator[Any, Any, Any]) -> Iterator[Any]:
    """The generator, each of whose steps is a call in the turn."""
    try:
        while (item := turn.run(next, items, _ENDED)) is not _ENDED:
            yield item
    finally:
        items.close()
