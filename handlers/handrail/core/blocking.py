"""The engine for code that blocks: each call waits in its own thread for the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Lock
from typing import Any

from starlette.requests import ClientDisconnect, Request

from handrail.core.engine import Engine

_DONE = b"[DONE]"
_METHODS = {"chat": "chat_completions", "generate": "completions", "embed": "embeddings"}


class Asking:
    """The request for which a thread works, and its calls of the engine, which end with it."""

    def __init__(self, request: Request | None = None) -> None:
        self.request = request
        self._calls: set[Future[Any]] = set()
        self._is_over = False
        self._lock = Lock()

    @contextmanager
    def calling(self, work: Callable[[], Coroutine[Any, Any, Any]], loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
        """Run `work` on the loop; it is cancelled at the end of the request. Raises ClientDisconnect if the request has
        ended."""
        with self._lock:
            if self._is_over:
                raise ClientDisconnect
            call = asyncio.run_coroutine_threadsafe(work(), loop)
            self._calls.add(call)
        try:
            yield call
        finally:
            with self._lock:
                self._calls.discard(call)

    def end(self) -> None:
        with self._lock:
            self._is_over = True
            calls = tuple(self._calls)
        for call in calls:
            call.cancel()


_ASKING: ContextVar[Asking | None] = ContextVar("handrail.asking", default=None)


@contextmanager
def asking_for(request: Request) -> Iterator[None]:
    """Calls of a BlockingEngine in here, and in the threads that are started from here, are this request's."""
    asking = Asking(request)
    token = _ASKING.set(asking)
    try:
        yield
    finally:
        asking.end()
        _ASKING.reset(token)


class BlockingEngine:
    """The engine as a blocking object. It may be used from many threads at once.

    - `chat`, `generate` and `embed` take the main field of the OpenAI API's body, and the other fields by name. They
      take a whole body, too: `model.chat(body)`.
    - They return the API's response model, as `handrail.Engine` does: `.choices[0].message.content`,
      `.choices[0].text`, `.data[0].embedding`.
    - With `stream=True`, `chat` and `generate` return an iterator of the stream's chunks, as dicts.
    - A call ends early, with `starlette.requests.ClientDisconnect`, if the client of the request disconnects or the
      request's time is over. In threads that the script starts itself, calls run to their end.
    - A body that the engine refuses raises `fastapi.HTTPException` with its 4xx.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        #: The same engine for `async def`: each method is awaited.
        self.engine = engine
        self._loop = loop

    def __repr__(self) -> str:
        return "<Handrail's engine: chat, generate, embed>"

    def chat(self, messages: Any, **parameters: Any) -> Any:
        """Answer a chat. `messages` is a list of messages, one user message as text, or a whole body."""
        given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return self._ask("chat", "messages", given, parameters)

    def generate(self, prompt: Any, **parameters: Any) -> Any:
        """Continue a prompt, or each of a list. `prompt` may be a whole body."""
        return self._ask("generate", "prompt", prompt, parameters)

    def embed(self, input: Any, **parameters: Any) -> Any:
        """Embed a text, or each of a list. `input` may be a whole body."""
        return self._ask("embed", "input", input, parameters)

    def _ask(self, name: str, key: str, value: Any, parameters: Mapping[str, Any]) -> Any:
        self._require_thread(name)
        plain = value.tolist() if hasattr(value, "tolist") else value
        body = {**plain, **parameters} if isinstance(plain, Mapping) else {key: plain, **parameters}
        asking = _ASKING.get() or Asking()
        if body.get("stream"):
            return self._streamed(name, body, asking)
        with asking.calling(lambda: self._answer(name, body, asking), self._loop) as call:
            return _result(call)

    def _require_thread(self, name: str) -> None:
        try:
            is_on_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:  # this thread runs no event loop
            return
        if is_on_loop:
            raise RuntimeError(
                f"{name} waits for the engine, and an `async def` must not wait without `await`: write "
                f"`await model.engine.{_METHODS[name]}(model_input={{…}})`, or make the function a `def`"
            )

    async def _answer(self, name: str, body: dict[str, Any], asking: Asking) -> Any:
        return await getattr(self.engine, _METHODS[name])(asking.request, body)

    def _streamed(self, name: str, body: dict[str, Any], asking: Asking) -> Iterator[Any]:
        chunks: SimpleQueue[Any] = SimpleQueue()

        async def pour() -> None:
            response = await self._answer(name, body, asking)
            async for chunk in _chunks(response.body_iterator):
                chunks.put(chunk)

        with asking.calling(pour, self._loop) as call:
            call.add_done_callback(chunks.put)  # the call itself is the last item, also if it is cancelled
            try:
                while (chunk := chunks.get()) is not call:
                    yield chunk
                _result(call)
            finally:
                call.cancel()


def _result(call: Future[Any]) -> Any:
    try:
        return call.result()
    except CancelledError:
        raise ClientDisconnect from None


async def _chunks(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The JSON of each server-sent event. Raises RuntimeError for an event that is an error."""
    rest = b""
    async for piece in events:
        *whole, rest = (rest + (piece.encode() if isinstance(piece, str) else piece)).split(b"\n\n")
        for line in (line for event in whole for line in event.splitlines()):
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != _DONE:
                yield _checked(json.loads(data))


def _checked(chunk: Any) -> Any:
    error = chunk.get("error") if isinstance(chunk, dict) else None
    if error:
        said = error.get("message") if isinstance(error, dict) else error
        raise RuntimeError(f"the engine ended the stream with an error: {said}")
    return chunk
