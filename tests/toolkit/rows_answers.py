"""Rows: what is answered, what the context does, and errors."""

from __future__ import annotations

from tests.toolkit.table import Answer, Row, refused, sends

_NO_STREAMS = "It has no streams."
_ENVELOPE = "An error has our envelope, with the author's line; the traceback is in the log."

ANSWERS = (
    Row("NumPy's numbers in a dict", "answers_numbers", Answer(json={"score": 0.5, "more": [0, 1, 2]})),
    Row("NaN", "answers_nan", Answer(text="NaN")),
    Row("nothing is JSON's null", "answers_nothing", Answer(body=b"null", content_type="application/json")),
    Row("nothing, of `output_fn`", "output_is_nothing", Answer(body=b"null", content_type="application/json")),
    Row(
        "a dataclass, a pydantic model, an answer of the engine",
        "answers_dataclass",
        Answer(json={"text": "hello"}),
        fails="It encodes what has `tolist`, and no other object.",
    ),
    Row("what is no JSON", "answers_unknown", Answer(500)),
    Row("(body, content type)", "says_its_content_type", Answer(body=b"a", content_type="text/x-mine")),
    Row("text has the type that is accepted", "output_is_text", Answer(body=b'"a"', content_type="application/json")),
    Row(
        "text, where several types are accepted",
        "output_is_text",
        Answer(body=b'"a"', content_type="text/csv"),
        headers=sends("application/json", Accept="text/csv, image/png"),
        fails="The content type is the whole header.",
    ),
    Row("bytes", "output_is_bytes", Answer(body=b"\0\x01", content_type="application/octet-stream")),
    Row("a dict of `output_fn`", "output_is_dict", Answer(json={"a": 1}, content_type="application/json")),
    Row(
        "a dict of `output_fn`, where CSV is accepted",
        "output_is_dict",
        Answer(json={"a": 1}, content_type="application/json"),
        headers=sends("application/json", Accept="text/csv"),
        fails="JSON is sent as CSV.",
    ),
    Row(
        "a response of Starlette's",
        "output_is_response",
        Answer(201, body=b"made", content_type="text/plain; charset=utf-8"),
        reason="Handlers may return one here.",
    ),
    Row(
        "a tuple of three",
        "three_in_a_tuple",
        Answer(500, text="return the body, or (body, content_type)"),
        reason="Its third part would be dropped in silence.",
    ),
    Row(
        "`predict_fn` that yields",
        "predict_yields",
        Answer(body=b"abc", content_type="text/plain; charset=utf-8"),
        fails=_NO_STREAMS,
    ),
    Row(
        "`transform_fn` that returns a generator",
        "transform_yields",
        Answer(body=b"a\nb\n", content_type="text/plain; charset=utf-8"),
        fails=_NO_STREAMS,
    ),
    Row(
        "`output_fn` that returns a generator and a content type",
        "output_yields",
        Answer(body=b'"a"\n"b"\n', content_type="application/jsonlines"),
        fails=_NO_STREAMS,
    ),
)

CONTEXT = (
    Row("`set_response_status`", "sets_the_answer", Answer(404, body=b"done"), b'{"status": 404}'),
    Row(
        "a status that is none",
        "sets_the_answer",
        Answer(500, text="write a number from 200 to 599"),
        b'{"status": 99}',
        reason="No client could read it.",
    ),
    Row(
        "a status without a body", "sets_the_answer", Answer(204, body=b""), b'{"status": 204}', reason="HTTP has none."
    ),
    Row(
        "`set_response_header`",
        "sets_the_answer",
        Answer(headers={"x-words": "2"}),
        b'{"header": "X-Words", "value": "2"}',
    ),
    Row(
        "a header with a line break",
        "sets_the_answer",
        Answer(500, text="write it in one line of Latin-1"),
        b'{"header": "X-Words", "value": "2\\nX-Other: 3"}',
        reason="It would be two headers.",
    ),
    Row(
        "`content-length`",
        "sets_the_answer",
        Answer(500, text="cannot be set"),
        b'{"header": "Content-Length", "value": "9"}',
        reason="The server counts.",
    ),
    Row(
        "`set_response_content_type`",
        "sets_the_answer",
        Answer(body=b"done", content_type="text/x-mine"),
        b'{"type": "text/x-mine"}',
        fails="It sets the accepted type after it.",
    ),
    Row(
        "a header of the request",
        "reads_the_request",
        Answer(json=["ann", "ann", True]),
        b'["X-Who"]',
        sends("application/json", X_Who="ann"),
    ),
    Row(
        "a header of the request, written otherwise",
        "reads_the_request",
        Answer(json=["ann", "ann", True]),
        b'["x-who"]',
        sends("application/json", X_Who="ann"),
        fails="It knows a header by the client's spelling alone.",
    ),
    Row(
        "`system_properties` and `get_request_id`",
        "says_properties",
        Answer(json=[["batch_size", "gpu_id", "model_dir", "server_name", "server_version"], True, 1, "str"]),
    ),
    Row("a request beyond the one", "asks_a_second_request", Answer(500, text="index")),
    Row("a header while the model is loaded", "asks_while_loading", refused("")),
    Row(
        "`context.metrics`",
        "uses_metrics",
        Answer(500, text="context.metrics is not served"),
        reason="They are Multi Model Server's. The start warns of their use.",
    ),
)

ERRORS = (
    Row(
        "a function that raises",
        "raises",
        Answer(500, text="predict_fn raised KeyError: 'inputs' ("),
        reason=_ENVELOPE,
    ),
    Row(
        "`input_fn` that raises",
        "input_raises",
        Answer(500, text="input_fn raised ValueError: application/json is not for me ("),
        reason=_ENVELOPE,
    ),
    Row("`BaseInferenceToolkitError` keeps its status", "raises_its_status", Answer(422, text="the text is too long")),
    Row("`GenericInferenceToolkitError`", "raises_generic", Answer(503, text="Invalid Request")),
    Row("`decoder`, `encoder` and `content_types`", "uses_the_helpers", Answer(json=[2, 4])),
    Row(
        "`decoder.decode` of another type",
        "uses_the_helpers",
        Answer(415, text="application/xml"),
        b"<a/>",
        sends("application/xml"),
        reason="It is the client's fault, and its status says so.",
    ),
)
