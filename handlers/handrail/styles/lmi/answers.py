"""The engine's answers as an output formatter sees them: by keys and by attributes, or as text in a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from starlette.responses import Response

from handrail.core.encoding import encoded
from handrail.styles.lmi.messages import to_json

SSE, LINES = "text/event-stream", "application/jsonlines"
DONE = "[DONE]"
_ENDS = {SSE: "\n\n", LINES: "\n"}
#: How a line of server-sent events begins.
_FIELDS = ("data:", "event:", "id:", "retry:", ":")
#: The name of a model that a request does not name.
_MODEL = "lmi"


class EngineAnswer(dict[str, Any]):
    """An object of the answer, such as `answer["choices"][0]["text"]`, or `answer.choices[0].text`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the answer has no {name!r}: it has {', '.join(self)}", name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return json.loads(self.model_dump_json())  # type: ignore[no-any-return]

    def model_dump_json(self, **_: Any) -> str:
        return to_json(self)


class InputsAnswer(EngineAnswer):
    """The answer to `inputs`: `generated_text` and perhaps `details`. `choices[0].text` is the same text."""

    @property
    def choices(self) -> list[AnsweredText]:
        return [AnsweredText(self)]

    @property
    def model(self) -> str:
        return _MODEL


class AnsweredText:
    """The text of an answer to `inputs` as OpenAI's completions have it; what is set is set in the answer."""

    index = 0

    def __init__(self, answer: InputsAnswer) -> None:
        self._answer = answer

    @property
    def text(self) -> str:
        return str(self._answer["generated_text"])

    @text.setter
    def text(self, value: str) -> None:
        self._answer["generated_text"] = value

    @property
    def finish_reason(self) -> str | None:
        reason: str | None = (self._answer.get("details") or {}).get("finish_reason")
        return reason


def whole(body: bytes) -> Any:
    """The answer of a body: an EngineAnswer, or a list of them where the request had several texts."""
    return json.loads(body, object_hook=_object)


def _object(found: dict[str, Any]) -> EngineAnswer:
    return InputsAnswer(found) if "generated_text" in found and "token" not in found else EngineAnswer(found)


class Event(NamedTuple):
    """An event of the engine's stream. `raw` is its JSON, `text` what an output formatter is given."""

    raw: str
    text: str
    is_error: bool = False


async def events(response: Response, kind: str) -> AsyncGenerator[Event]:
    """The events of a stream of server-sent events, or of JSON lines. The last one is `[DONE]`, also where the engine's
    stream has none."""
    separator, rest, found = _ENDS[kind].encode(), b"", None
    async for piece in response.body_iterator:  # type: ignore[attr-defined]
        *pieces, rest = (rest + piece).split(separator)
        for event in pieces:
            if (told := _event(event.decode(), kind)) is not None:
                found = told
                yield found
    if found is None or found.raw != DONE:
        yield Event("", _data(DONE))


def _event(event: str, kind: str) -> Event | None:
    """None if nothing is in it but a comment."""
    head, _, raw = ("", "", event) if kind == LINES else event.partition("data:")
    raw = raw.strip()
    if not raw:
        return None
    if raw == DONE:
        return Event(raw, _data(raw))
    told: dict[str, Any] = json.loads(raw)
    if head.startswith("event: error") or told.keys() == {"error"}:
        return Event(raw, _data(raw), is_error=True)
    return Event(raw, _data(to_json(_with_choices(told)) if "token" in told else raw))


def _with_choices(told: dict[str, Any]) -> dict[str, Any]:
    """An event of the answer to `inputs`, with its text where OpenAI's completions have it, too."""
    reason = (told.get("details") or {}).get("finish_reason")
    return {**told, "choices": [{"index": 0, "text": told["token"]["text"], "finish_reason": reason}]}


def _data(raw: str) -> str:
    return f"data: {raw}\n\n"


def framed(said: Any, event: Event, kind: str) -> bytes:
    """What is sent of an event: what its formatter said, as an event or a line; of an unchanged one, the engine's."""
    if isinstance(said, bytes | bytearray | memoryview):
        return bytes(said)
    if isinstance(said, str) and said == event.text:
        return _unchanged(event, kind)
    text = said if isinstance(said, str) else to_json(encoded(said))
    text = text.rstrip("\n")
    if not text:
        return b""
    if kind == SSE and not text.startswith(_FIELDS):
        text = "\n".join(f"data: {line}" for line in text.split("\n"))
    return (text + _ENDS[kind]).encode("utf-8", "replace")


def _unchanged(event: Event, kind: str) -> bytes:
    text = event.raw if kind == LINES else f"data: {event.raw}"
    if not event.raw:
        return b""
    return (f"event: error\n{text}" if event.is_error and kind == SSE else text).encode() + _ENDS[kind].encode()
