"""Fast path for SSE: once one event has shown the template, events that differ only in text are rendered from it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

_encode = json.JSONEncoder(ensure_ascii=False).encode
#: The JSON just before the text, in a chat event and in a completion event.
_MARKS = ('"delta":{"content":', '"text":')
#: Keys with the same value in all events of a stream. Any other key may change between events, unless it is null.
_SAME = {"id", "object", "created", "model", "choices"}
_SAME_IN_CHOICE = {"index", "delta", "text"}


class Frame(NamedTuple):
    """The template of one stream's events: the parts before and after the text."""

    head: str
    tail: str

    def event(self, text: str) -> str:
        return f"{self.head}{_encode(text)}{self.tail}"


def frame_of(event: str, text: str) -> Frame | None:
    """The template that `event` shows for `text`; None if other events of the stream may differ in more than text."""
    if not _differs_by(text, event):
        return None
    encoded = _encode(text)
    for mark in _MARKS:  # no text can contain a mark: its quotes would be escaped there
        head, found, rest = event.partition(mark)
        if found and rest.startswith(encoded):
            return Frame(head + found, rest.removeprefix(encoded))
    return None


def _differs_by(text: str, event: str) -> bool:
    try:
        said = json.loads(event.removeprefix("data: "))
        (choice,) = said["choices"]
        told = choice["delta"] if "delta" in choice else {"content": choice["text"]}
    except (ValueError, KeyError, TypeError):
        return False
    others = [value for key, value in said.items() if key not in _SAME]
    others += [value for key, value in choice.items() if key not in _SAME_IN_CHOICE]
    is_first = choice.get("index") == 0 and not {"delta", "text"} <= choice.keys()
    return is_first and told == {"content": text} and all(value is None for value in others)


async def streamed(
    own: Callable[[AsyncIterator[Any]], AsyncGenerator[str, None]], results: AsyncIterator[Any]
) -> AsyncGenerator[str, None]:
    """The events that `own` would yield for the `results` of one choice; most are rendered here without calling `own`.

    `own` writes the beginning and the end of the stream, and its errors. Its first text event is the template for the
    events between. `own` receives the results that it did not see joined into one, in the same way as the engine joins
    results that a slow client has not fetched.
    """
    rest = _RemainingResults(results)
    async with aclosing(own(rest)) as events:
        async for event in events:
            yield event
            frame = rest.frame(event)
            if frame is None:
                continue
            while (text := await rest.delta()) is not None:
                yield frame.event(text)
            joined = rest.join()
            if joined is not None and (told := await anext(events)) != frame.event(joined):
                yield told  # `own` failed on the joined result


class _RemainingResults(AsyncIterator[Any]):
    """The results still to come for the engine's generator. `delta` takes text-only results out of them."""

    def __init__(self, results: AsyncIterator[Any]) -> None:
        self._results = results
        self._ahead: list[Any] = []
        self._error: Exception | None = None
        self._last: Any = None
        self._texts: list[str] = []
        self._tokens: list[int] = []
        self._is_framed = False

    async def __anext__(self) -> Any:
        if self._ahead:
            return self._ahead.pop()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        self._last = await anext(self._results)
        return self._last

    def frame(self, event: str) -> Frame | None:
        """The stream's template, returned once: for the first `event` that holds the whole text of its result."""
        output = None if self._is_framed else _plain(self._last)
        frame = frame_of(event, output.text) if output is not None and output.token_ids else None
        self._is_framed = self._is_framed or frame is not None
        return frame

    async def delta(self) -> str | None:
        """The text of the next result if it has only text; None at any other result, at the end and on an error."""
        try:
            result = await anext(self._results)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001  raised again for the engine's generator, in `__anext__`
            self._error = error
            return None
        output = _plain(result)
        if output is None:
            self._ahead.append(result)
            return None
        self._last = result
        self._texts.append(output.text)
        self._tokens.extend(output.token_ids)
        text: str = output.text
        return text

    def join(self) -> str | None:
        """Queue the results that `delta` took as one result and return its text; None if `delta` took none."""
        if not self._texts:
            return None
        output = _plain(self._last)
        output.text, output.token_ids = "".join(self._texts), self._tokens
        self._ahead.append(self._last)
        return str(output.text)


def _plain(result: Any) -> Any:
    """The result's output if its event has only text; None otherwise."""
    place, result = result if isinstance(result, tuple) else (0, result)
    if place or result is None or len(result.outputs) != 1:
        return None
    output = result.outputs[0]
    is_plain = output.finish_reason is None and output.stop_reason is None and not output.index
    return output if is_plain and (output.text.isascii() or _is_utf8(output.text)) else None


def _is_utf8(text: str) -> bool:
    """Whether `text` can be encoded: a lone surrogate cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
