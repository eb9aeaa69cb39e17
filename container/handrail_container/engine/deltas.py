"""A stream of an engine's own in which the events that differ by nothing but their text are written here."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

_encode = json.JSONEncoder(ensure_ascii=False).encode
#: Where the text stands: in a chat's event, and in a completion's.
_MARKS = ('"delta":{"content":', '"text":')
#: What is the same in all events of a stream. Whatever else an event has may differ in the next one, unless it is null.
_SAME = {"id", "object", "created", "model", "choices"}
_SAME_IN_CHOICE = {"index", "delta", "text"}


class Frame(NamedTuple):
    """What stands before and behind the text in each event of one stream."""

    head: str
    tail: str

    def event(self, text: str) -> str:
        return f"{self.head}{_encode(text)}{self.tail}"


def frame_of(event: str, text: str) -> Frame | None:
    """That of the stream with this event for this text; None where its other events may differ in more than that."""
    if not _differs_by(text, event):
        return None
    encoded = _encode(text)
    for mark in _MARKS:  # its quotes would be escaped inside of any text
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
    """The events that `own` makes of the `results` of one choice, most of them without it.

    `own` writes what begins and ends the stream, its errors included. In between, where one event is like the other,
    its first shows how they look; it is told of the results that it has not seen as of one, as the engine itself joins
    those that a slow client has not fetched.
    """
    rest = _Rest(results)
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
                yield told  # it failed over that


class _Rest(AsyncIterator[Any]):
    """The results that are still to come for whoever iterates, of which `delta` takes some away."""

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
        """That of the stream, once, when its first event is whole; nothing more is due for the result it is of."""
        output = None if self._is_framed else _plain(self._last)
        frame = frame_of(event, output.text) if output is not None and output.token_ids else None
        self._is_framed = self._is_framed or frame is not None
        return frame

    async def delta(self) -> str | None:
        """The next text, where there is nothing but text to tell; None once there is more, or an end, or an error."""
        try:
            result = await anext(self._results)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001  whoever iterates is told, as if it had come to it
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
        """Put what `delta` has given before what is still to come, as one result; its text. None where it gave none."""
        if not self._texts:
            return None
        output = _plain(self._last)
        output.text, output.token_ids = "".join(self._texts), self._tokens
        self._ahead.append(self._last)
        return str(output.text)


def _plain(result: Any) -> Any:
    """Its output, where an event of it has nothing but the text; None otherwise."""
    place, result = result if isinstance(result, tuple) else (0, result)
    if place or result is None or len(result.outputs) != 1:
        return None
    output = result.outputs[0]
    is_plain = output.finish_reason is None and output.stop_reason is None and not output.index
    return output if is_plain and (output.text.isascii() or _is_utf8(output.text)) else None


def _is_utf8(text: str) -> bool:
    """No half of a surrogate pair, which cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
