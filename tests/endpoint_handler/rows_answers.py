"""Rows: what is answered, what a client accepts, and errors."""

from __future__ import annotations

import base64

from tests.endpoint_handler.table import ASKS, Answer, Row, body, gives, png, sends

_JSON_ONLY = "400: its JSON has none"
_HELD = "It can be said in JSON."
_ERROR = '400 `{"error": text}`, as every exception'

ANSWERS = (
    Row("a dict, a list, text, a number", "echoes", "JSON", gives({"inputs": "a b"})),
    Row(
        "NumPy's arrays and numbers",
        "returns_arrays",
        "lists and numbers",
        gives({"scores": [0.5, 2.0], "best": 1, "all": [0.5]}),
    ),
    Row(
        "a tensor: anything with `tolist`",
        "returns_a_tensor",
        "a list",
        gives({"embedding": [[1.0, 2.0]]}),
        _JSON_ONLY,
        _HELD,
    ),
    Row("a number that is not finite", "returns_no_number", "null", gives({"score": None, "most": None, "least": 1.5})),
    Row(
        "nothing",
        "returns_nothing",
        "`null`, and a warning in the log",
        gives(None),
        "204",
        "A client that reads JSON gets some.",
    ),
    Row(
        "an image in a dict",
        "returns_images_in_json",
        "a PNG in Base64",
        gives({"images": [base64.b64encode(png("RGB")).decode()]}),
    ),
    Row(
        "an image, `Accept: image/png`",
        "returns_an_image",
        "the file",
        Answer(body=png("RGB"), content_type="image/png"),
        body=body("RGB"),
        headers=sends("application/json", Accept="image/png"),
    ),
    Row(
        "an image with transparency, `Accept: image/jpeg`",
        "returns_an_image",
        "a JPEG without it",
        Answer(content_type="image/jpeg"),
        "400: Pillow cannot write it",
        "The client asked for a JPEG.",
        body=body("RGBA"),
        headers=sends("application/json", Accept="image/jpeg"),
    ),
    Row(
        "an image without `Accept`",
        "returns_an_image",
        "a PNG in Base64, as JSON",
        gives(base64.b64encode(png("RGB")).decode()),
        body=body("RGB"),
    ),
    Row(
        "bytes",
        "returns_bytes",
        "the bytes, in the type that `Accept` names, else `application/octet-stream`",
        Answer(body=b"RIFF", content_type="audio/wav"),
        _JSON_ONLY,
        "It is how a handler sends audio.",
        headers=sends("application/json", Accept="audio/wav"),
    ),
    Row(
        "a generator of text",
        "yields",
        "a stream of text",
        Answer(body=b"ab"),
        "400: there are no streams",
        "It is what its author means.",
    ),
    Row(
        "a generator of dicts",
        "returns_a_generator",
        "server-sent events",
        Answer(text='data: {"word":"a"}\n\ndata: {"word":"b"}\n\ndata: [DONE]'),
        "400: there are no streams",
        "It is what its author means.",
    ),
    Row(
        "a Starlette response",
        "returns_a_response",
        "as it is",
        Answer(203, text="mine"),
        "400: JSON has none",
        "The author has said the status.",
    ),
)

ACCEPTS = (
    Row(
        "`Accept: */*`, and none",
        "echoes",
        "JSON",
        gives({"inputs": "a b"}),
        headers=sends("application/json", Accept="*/*"),
    ),
    Row(
        "`Accept: text/html, application/json;q=0.9`",
        "echoes",
        "JSON",
        gives({"inputs": "a b"}),
        headers=sends("application/json", Accept="text/html, application/json;q=0.9"),
    ),
    Row(
        "`Accept: text/html, */*`",
        "echoes",
        "JSON",
        gives({"inputs": "a b"}),
        "400: it knows no wildcard in a list",
        "Any type is accepted.",
        headers=sends("application/json", Accept="text/html, */*"),
    ),
    Row(
        "`Accept: image/png` for an answer that is none",
        "echoes",
        "406",
        Answer(406, text="this answer is given as application/json"),
        "400",
        "The status says what is wrong.",
        headers=sends("application/json", Accept="image/png"),
    ),
)

ERRORS = (
    Row(
        "`__call__` raises",
        "raises",
        "500, with the exception and its line",
        Answer(500, text="EndpointHandler.__call__ raised KeyError: 'parameters' ("),
        _ERROR,
        "It is the script's fault, and not the client's: SageMaker and load balancers go by the status.",
        headers=ASKS,
    ),
    Row(
        "`__call__` raises `fastapi.HTTPException(422, …)`",
        "refuses",
        "422",
        Answer(422, text="'inputs' is too short"),
        _ERROR,
        "The author has said the status.",
    ),
    Row(
        "an answer that JSON cannot hold",
        "returns_an_object",
        "500",
        Answer(500, text="which is no JSON"),
        _ERROR,
        "It is the script's fault.",
    ),
)
