"""The engine's `predict` in the older Truss form: a templated prompt with keys of its own, answered with text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any

_RENAMED = {"runtime_top_k": "top_k", "runtime_top_p": "top_p"}
#: Keys of lists that were written as one comma-separated string.
_LISTS = {"stop_words": "stop", "bad_words": "bad_words"}
_EVENT = b"data: "


def completion_body(model_input: Mapping[str, Any], *, is_streamed: bool) -> dict[str, Any]:
    """The body of the completion that `model_input` requests; `is_streamed` is its default for `stream`."""
    body: dict[str, Any] = {"stream": is_streamed}
    for key, value in model_input.items():
        if key in _LISTS:
            body[_LISTS[key]] = [word for word in value.split(",") if word] if isinstance(value, str) else value
        elif key in ("end_id", "eos_token_id"):
            body["stop_token_ids"] = [value]
        elif key != "beam_width":  # its only value was 1
            body[_RENAMED.get(key, key)] = value
    return body


async def text(answering: Awaitable[Any]) -> Any:
    """The text of a completion: a string, or an async generator of chunks if it is streamed."""
    answer = await answering
    events = getattr(answer, "body_iterator", None)
    return answer.choices[0].text if events is None else _pieces(events)


async def _pieces(events: Any) -> AsyncIterator[str]:
    async with aclosing(events):
        async for event in events:
            data = event.removeprefix(_EVENT).strip()
            if data == b"[DONE]":
                break
            for choice in _choices(json.loads(data)):
                yield choice["text"]


def _choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    if error := chunk.get("error"):
        from fastapi import HTTPException

        raise HTTPException(int(error.get("code") or 500), error.get("message"))
    return list(chunk.get("choices", ()))
