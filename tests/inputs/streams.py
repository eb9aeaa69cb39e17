"""Streams."""

from __future__ import annotations

from typing import Any

from tests.inputs.table import ONE, TWO, Row, token, user

_SSE = "text/event-stream; charset=utf-8"
_LINES = "application/jsonlines"


def events(last: str, details: Any = None) -> tuple[dict[str, Any], ...]:
    """Those of `one two`."""
    first = {"index": 1, "token": token("one", ONE), "generated_text": None, "details": None}
    return first, {"index": 2, "token": token(" two", TWO), "generated_text": last, "details": details}


def streamed(**parameters: Any) -> dict[str, Any]:
    return {"inputs": "one two", "stream": True, **({"parameters": parameters} if parameters else {})}


ROWS = (
    Row(
        "`stream`",
        streamed(),
        "server-sent events",
        "JSON lines; server-sent events with `tgi_compat` or `output_formatter=sse`",
        "JSON lines",
        "LMI",
        "`HANDRAIL_INPUTS_DIALECT=tgi`: server-sent events. `Accept` comes first.",
        media_type=_LINES,
        events=events("one two"),
    ),
    Row(
        "`stream`, dialect `tgi`",
        streamed(return_full_text=False),
        "server-sent events",
        "server-sent events with `tgi_compat`",
        "server-sent events",
        dialect="tgi",
        media_type=_SSE,
        events=events("one two"),
    ),
    Row(
        "`stream` and `Accept: text/event-stream`",
        streamed(),
        "server-sent events",
        "JSON lines",
        "server-sent events",
        "TGI",
        "The client says what it reads.",
        headers={"Accept": "text/event-stream"},
        media_type=_SSE,
        events=events("one two"),
    ),
    Row(
        "`stream` and `Accept: application/jsonlines`, dialect `tgi`",
        streamed(return_full_text=False),
        "server-sent events",
        "JSON lines",
        "JSON lines",
        "LMI",
        "The client says what it reads.",
        dialect="tgi",
        headers={"Accept": "application/json, application/jsonlines"},
        media_type=_LINES,
        events=events("one two"),
    ),
    Row(
        "`Accept: text/event-stream` without `stream`",
        {"inputs": "one two"},
        "not streamed",
        "not streamed",
        "streamed",
        "neither",
        "As every route of the engine's: such a client cannot read JSON.",
        headers={"Accept": "text/event-stream"},
        media_type=_SSE,
        events=events("one two"),
    ),
    Row(
        "`details` of a stream",
        streamed(details=True, seed=3),
        "in the last event, with `input_length`",
        "in the last line, with `input_length`",
        "in the last event, with `input_length`",
        media_type=_LINES,
        events=events("one two", {"finish_reason": "eos_token", "generated_tokens": 2, "seed": 3, "input_length": 2}),
    ),
    Row(
        "`return_full_text` of a stream",
        streamed(return_full_text=True),
        "the prompt before the last event's text",
        "the prompt before the last line's text",
        "the prompt before the last event's text",
        media_type=_LINES,
        events=events("one twoone two"),
    ),
    Row(
        "a stream of messages",
        {"inputs": [user("one two")], "stream": True},
        "422",
        "424",
        "as of a text",
        "neither",
        "As Hugging Face's pipelines take messages.",
        media_type=_LINES,
        events=events("one two"),
    ),
    Row(
        "`/generate_stream`",
        {"inputs": "one two"},
        "server-sent events",
        "none",
        "server-sent events",
        "TGI",
        "LMI has no such route.",
        path="/generate_stream",
        media_type=_SSE,
        events=events("one two"),
    ),
    Row(
        "a stream of several texts",
        {"inputs": ["one", "two"], "stream": True},
        "422",
        '`{"outputs": [...]}` of older LMI',
        "400",
        "neither",
        "A token's event does not say which text it is of.",
        status=400,
        says="'inputs' has several prompts",
    ),
    Row(
        "a stream of several answers",
        streamed(best_of=2),
        "an event with an error",
        "the first",
        "400",
        "neither",
        "An error before the first token has a status.",
        status=400,
        says="a stream has one answer",
    ),
    Row(
        "`decoder_input_details` of a stream",
        streamed(decoder_input_details=True),
        "an event with an error",
        "424",
        "400",
        "neither",
        "The same.",
        status=400,
        says="decoder_input_details is true",
    ),
)
