"""Streaming chat over a WebSocket: the default handler of SageMaker's bidirectional streaming.

Each message is the JSON body of a chat or a completion, in a text or binary frame. The answer is one text frame for
each event of the engine, without `data: `; the last is `[DONE]`, or an error in our envelope. Messages are answered
one after the other, in order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from handrail.core.engine import Engine
from handrail.core.streaming import Stream
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from handrail_container.engine.lora import Adapters
from handrail_container.http.envelope import error_body
from handrail_container.http.explain import explain_ours
from handrail_container.http.inbox import Inbox
from handrail_container.http.json_bounds import NO_BOUNDS, JsonBounds, require_bounded
from handrail_container.routes.beside import beside

_DATA = b"data: "
_TAKEN = 'a message is a JSON object with "messages", a chat, or "prompt", a completion'


class ChatSocket:
    def __init__(self, engine: Engine, adapters: Adapters, bounds: JsonBounds = NO_BOUNDS) -> None:
        self._engine = engine
        self._adapters = adapters
        self._bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer messages until the client disconnects. Raises WebSocketDisconnect once its requests are cancelled."""
        websocket = Stream(scope, receive, send)
        await websocket.accept()
        waiting = Inbox()
        tasks = [asyncio.ensure_future(work) for work in (_read(receive, waiting), self._answer(websocket, waiting))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()  # neither task ends without an exception
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, websocket: Stream, waiting: Inbox) -> None:
        while True:
            async with aclosing(self._texts(websocket, await waiting.get())) as texts:
                async for text in texts:
                    await websocket.send_text(text)

    async def _texts(self, websocket: Stream, message: Message) -> AsyncGenerator[str]:
        try:
            said = message.get("text") or message.get("bytes") or b""
            body = await beside(len(said), _body, said, self._bounds)
            self._require_no_code(self._adapters.choose(body.get("model"), is_strict=False))
            call = self._engine.chat_completions if "messages" in body else self._engine.completions
            answer = await call(request=websocket, model_input={**body, "stream": True})
            async with aclosing(answer.body_iterator) as pieces:
                async for event in _events(pieces):
                    yield event
        except Exception as error:  # noqa: BLE001  any error of the engine is answered; the socket stays open
            request_id: str = websocket.scope["state"]["handrail.request_id"]
            yield error_body(explain_ours(error, request_id), request_id).decode()

    def _require_no_code(self, name: Any) -> None:
        """Raises HTTPException for an adapter whose formatters or handler would have to see the messages."""
        code = self._adapters.code(name) if isinstance(name, str) else None
        if code is not None and code.script is not None:
            raise HTTPException(
                501,
                f"the adapter {name!r} has code, {code.script}, which does not see what a WebSocket sends: send its "
                "requests to /invocations",
            )


async def _read(receive: Receive, waiting: Inbox) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        waiting.put(message)
        await waiting.room()  # backpressure: stop reading while the inbox is full
    raise WebSocketDisconnect(message.get("code") or 1005)


def _body(said: str | bytes, bounds: JsonBounds) -> dict[str, Any]:
    require_bounded(said, bounds)
    try:
        body = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the message is not JSON: {error}; {_TAKEN}") from None
    if not isinstance(body, dict) or not {"messages", "prompt"} & body.keys():
        raise HTTPException(400, _TAKEN)
    return body


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event, however the events are split into chunks."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in whole:
            yield event.removeprefix(_DATA).decode()
