"""Rows: `handle(inputs)`, its Input and its Output."""

from __future__ import annotations

from tests.lmi.table import JSON, LINES, Row, stream
from tests.toolkit.table import Answer

_PLAIN, _OCTETS = "text/plain; charset=utf-8", "application/octet-stream"

HANDLE = (
    Row(
        "`async def handle`",
        "handles",
        Answer(json={"said": "one two three"}, content_type=JSON),
        "answers each request",
    ),
    Row(
        "`def handle`",
        "handles_in_a_thread",
        Answer(json={"loaded": ["ml"], "said": "one two three"}),
        "called once at the start with an empty request, then for each",
        "the same, in threads, many at once",
        "The engine makes batches of what comes together.",
    ),
    Row(
        "a `def handle` that answers the empty request",
        "handles_the_start_too",
        Answer(json={"empty": False}),
        "the answer is dropped",
        "dropped, with a warning",
        "It is usually forgotten.",
    ),
    Row(
        "a `def handle` that answers it with an error",
        "fails_at_the_start",
        Answer(None, text="handle failed: Refused: it answered the empty request of the start with 424"),
        "the start fails",
    ),
    Row(
        "a `def handle` that raises then",
        "raises_at_the_start",
        Answer(None, text="model.py:5 handle failed: ValueError: the request has no body: ask `inputs.is_empty()`"),
        "the start fails",
    ),
    Row(
        "it returns None",
        "handles_some",
        Answer(json={"generated_text": "one two three"}),
        "the engine answers",
    ),
    Row("it does not", "handles_some", Answer(body=b"mine"), "it answers", body={"mine": 1}),
    Row(
        "a helper class `Model` beside it",
        "class_beside_handle",
        Answer(json={"said": "helped one two three"}),
        "not looked at",
    ),
    Row(
        "the engine",
        "asks_the_engine",
        Answer(json={"said": "one two three"}),
        "the script makes a `vllm.LLM`",
        "`inputs.engine` is there, too",
        "One engine serves all requests, and no thread of a script's waits in the way of others.",
    ),
)

INPUT = (
    Row(
        "properties, content and the getters",
        "reads_the_input",
        Answer(
            json={
                "who": "ann",
                "headers": True,
                "model_id": "ml",
                "batch": [False, 1, 1],
                "function": None,
                "content": [True, False, 1],
                "data": {"a": 1},
                "text": '{"a": 1}',
            }
        ),
        "headers, `model_dir`, and the options",
        "headers, `model_dir`, `model_id`, and the options",
        "`model_id` is `HF_MODEL_ID`, or the model directory. Headers replace none of them, and set no option.",
        body={"a": 1},
        headers={"Content-Type": "application/json", "X-Who": "ann"},
    ),
    Row(
        "a key that is not there",
        "asks_for_a_key",
        Answer(500, text="the request has no content 'adapter': it has data"),
        "KeyError",
        "KeyError, with the keys that there are",
        "So it is mended sooner.",
    ),
    Row(
        "`decode` and `create_non_stream_output`",
        "answers_with_helpers",
        Answer(body=b'{"said":"one two three"}\n', content_type=JSON, headers={"x-mine": "1"}),
        "one line of JSON with the properties as headers",
    ),
)

OUTPUT = (
    Row(
        "code, message, properties, several contents",
        "sets_everything",
        Answer(201, body=b"body", content_type="text/x-mine", headers={"x-count": "2"}),
        "the status, headers, and the content `data`",
        "the same; the message is not sent",
        "It was the reason phrase of HTTP/1.1, which no client reads.",
    ),
    Row(
        "a code that is none",
        "sets_a_code_that_is_none",
        Answer(500, text="the code of the Output is 7: write a number from 200 to 599"),
        "sent",
        "500 with its line",
        "No HTTP client understands it.",
    ),
    Row(
        "`error()`",
        "answers_its_own_error",
        Answer(404, json={"code": 404, "message": "gone", "error": "no such thing"}),
        "its code, and JSON with `code`, `message`, `error`",
    ),
    Row(
        "`create_non_stream_output` with an error",
        "fails_with_helpers",
        Answer(429, text='"message":"no room"'),
        "its code with the text",
        "its code, in the form of the other errors",
        "Errors have one form.",
    ),
    Row(
        "the same without a code",
        "fails_with_helpers_and_no_code",
        Answer(424, text='"message":"it failed"'),
        "200 with the text",
        "424",
        "It is an error.",
    ),
    Row(
        "a dict",
        "returns_what_it_is_told",
        Answer(json={"a": 1}),
        "fails",
        "JSON",
        "It says what is meant.",
        {"inputs": "dict"},
    ),
    Row(
        "a list",
        "returns_what_it_is_told",
        Answer(json=[1]),
        "fails",
        "JSON",
        "It says what is meant.",
        {"inputs": "list"},
    ),
    Row(
        "text",
        "returns_what_it_is_told",
        Answer(body=b"plain", content_type=_PLAIN),
        "fails",
        "text",
        "It says what is meant.",
        {"inputs": "text"},
    ),
    Row(
        "bytes, of `handle`",
        "returns_what_it_is_told",
        Answer(body=b"\0", content_type=_OCTETS),
        "fails",
        "bytes",
        "It says what is meant.",
        {"inputs": "bytes"},
    ),
)

STREAMS = (
    Row(
        "an async generator of Outputs",
        "streams_outputs",
        Answer(body=b'{"word":"one"}\n{"word":"two"}\n', content_type=LINES),
        "JSON lines, up to `last_chunk`",
        body=stream("one two three"),
    ),
    Row(
        "`handle_streaming_response` with a history",
        "streams_through_a_helper",
        Answer(body=b'{"word": "one", "seen": 1}\n{"word": "two", "seen": 2}\n', content_type=LINES),
        "the formatter returns data, whether it is the last, and the history",
        body=stream("one two three"),
    ),
    Row(
        "`handle_streaming_response`",
        "streams_plainly_through_a_helper",
        Answer(body=b'{"word":"ONE"}\n{"word":"TWO"}\n'),
        "the formatter returns data, and whether it is the last",
        body=stream(),
    ),
    Row(
        "an error in the stream",
        "streams_until_an_error",
        Answer(text='{"word":"one"}\n{"error":{"message":"it broke","type":"failed_dependency","code":424'),
        "the stream ends with an `error` field",
    ),
    Row(
        "an error before the stream",
        "streams_an_error_at_once",
        Answer(503, text='"message":"it broke"'),
        "200, and a stream that ends with an error",
        "its code",
        "The status is still to be sent.",
    ),
    Row(
        "`add_stream_content` of lists of text",
        "streams_content",
        Answer(body=b'{"outputs":["one"]}\n{"outputs":["two"]}\n', content_type=LINES),
        '`{"outputs": […]}` lines',
        body=stream(),
    ),
    Row(
        "`add_stream_content` with a formatter",
        "streams_formatted_content",
        Answer(body=b"<one><two>", content_type="text/x-words"),
        "what the formatter returns",
        body=stream(),
    ),
    Row(
        "`add_stream_content` of an async iterator",
        "streams_async_content",
        Answer(202, body=b"one two ", content_type=_PLAIN),
        "never awaited",
        "sent as it comes",
        "A function that awaits is what an author of today writes.",
        body=stream(),
    ),
    Row(
        "an async generator of dicts",
        "yields_dicts",
        Answer(body=b'{"word":"one"}\n{"word":"two"}\n', content_type=LINES),
        "fails",
        "JSON lines",
        "It says what is meant.",
        body=stream(),
    ),
    Row(
        "a generator of bytes",
        "yields_bytes",
        Answer(body=b"one two", content_type=_OCTETS),
        "fails",
        "bytes",
        "It says what is meant.",
    ),
)
