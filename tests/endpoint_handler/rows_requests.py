"""Rows: what a body becomes, and the routes."""

from __future__ import annotations

import base64

from tests.endpoint_handler.table import Answer, Row, body, gives, png, sends

_SPEECH = {"HF_TASK": "automatic-speech-recognition"}
_STATUS = "400, as every error"
_415 = "The status says that it is the type."

BODIES = (
    Row(
        "a JSON object with `inputs`", "echoes", "`data`, as it is", gives({"inputs": [1], "x": 2}), body=body([1], x=2)
    ),
    Row(
        "`instances`, Vertex AI's, in the place of `inputs`",
        "echoes",
        "`data`, as it is",
        gives({"instances": [{"x": 1}]}),
        body=b'{"instances": [{"x": 1}]}',
    ),
    Row(
        "neither of the two",
        "echoes",
        "400, with the keys that there are",
        Answer(400, text="the body has 'text', and neither 'inputs' nor 'instances'"),
        "400, with the whole body in its message",
        "A body may be large, and secret.",
        body=b'{"text": "a"}',
    ),
    Row(
        "JSON that is no object",
        "echoes",
        "400",
        Answer(400, text="the body is a JSON array, and no object"),
        body=b'["inputs"]',
        there="a list that has the text `inputs` is passed on",
        why="The handler is called with a dict.",
    ),
    Row("what is not JSON", "echoes", "400", Answer(400, text="the body is not JSON"), body=b'{"inputs": '),
    Row(
        "no content type",
        "echoes",
        "JSON",
        gives({"inputs": "a b"}),
        "400, unless `DEFAULT_CONTENT_TYPE` says one",
        "SageMaker's clients may leave it out.",
        headers={},
    ),
    Row(
        "the query `?top_k=3&temperature=0.5&sample=true&mode=fast`",
        "echoes",
        "`parameters`, with numbers and booleans as such",
        gives({"inputs": "a b", "parameters": {"top_k": 3, "temperature": 0.5, "sample": True, "mode": "fast"}}),
        path="/invocations?top_k=3&temperature=0.5&sample=true&mode=fast",
    ),
    Row(
        "the query beside `parameters`",
        "echoes",
        "the body's",
        gives({"inputs": "a", "parameters": {"top_k": 1}}),
        body=body("a", parameters={"top_k": 1}),
        path="/invocations?top_k=3",
    ),
    Row(
        "`?limit=nan`",
        "echoes",
        "text: it is no number that JSON has",
        gives({"inputs": "a b", "parameters": {"limit": "nan"}}),
        path="/invocations?limit=nan",
    ),
    Row(
        "`image/png`",
        "describes_its_input",
        "`inputs` is an image of Pillow's, in RGB",
        gives(["Image", "RGB", [3, 2], {"top_k": 2}]),
        body=png(),
        headers=sends("image/png"),
        path="/invocations?top_k=2",
    ),
    Row(
        "`audio/wav`",
        "describes_its_input",
        "`inputs` are the bytes",
        gives(["bytes", None, 4, None]),
        body=b"RIFF",
        headers=sends("audio/wav"),
    ),
    Row(
        "`application/octet-stream` where HF_TASK is one of images",
        "describes_its_input",
        "an image",
        gives(["Image", "RGB", [3, 2], None]),
        body=png("L"),
        headers=sends("application/octet-stream"),
        environment={"HF_TASK": "image-classification"},
    ),
    Row(
        "`application/octet-stream` where HF_TASK is one of speech",
        "describes_its_input",
        "the bytes",
        gives(["bytes", None, 4, None]),
        body=b"RIFF",
        headers=sends("application/octet-stream"),
        environment=_SPEECH,
    ),
    Row(
        "`application/octet-stream` otherwise",
        "describes_its_input",
        "415",
        Answer(415, text="application/octet-stream needs HF_TASK"),
        _STATUS,
        _415,
        headers=sends("application/octet-stream"),
    ),
    Row(
        "`text/csv`, and any other type",
        "echoes",
        "415, with the types that are taken",
        Answer(415, text="the body is text/csv; an EndpointHandler takes application/json, image/*, audio/*"),
        _STATUS,
        _415,
        headers=sends("text/csv"),
    ),
    Row(
        "an image that is none",
        "echoes",
        "400",
        Answer(400, text="the body is no image that can be read"),
        body=b"PNG",
        headers=sends("image/png"),
    ),
    Row(
        "text in Base64 as `inputs` where HF_TASK is one of speech",
        "describes_its_input",
        "the bytes",
        gives(["bytes", None, 4, None]),
        body=body(base64.b64encode(b"RIFF").decode()),
        environment=_SPEECH,
    ),
    Row(
        "text there that is not Base64",
        "describes_its_input",
        "400",
        Answer(400, text="send the audio file in Base64"),
        body=body("RIFF!"),
        environment=_SPEECH,
    ),
)

ROUTES = (
    Row("`POST /`", "echoes", "the handler", gives({"inputs": "a b"}), path="/"),
    Row("`POST /predict`", "echoes", "the handler", gives({"inputs": "a b"}), path="/predict"),
    Row(
        "`POST /invocations`",
        "echoes",
        "the handler",
        gives({"inputs": "a b"}),
        "404",
        "It is SageMaker's.",
    ),
    Row(
        "`GET /health`",
        "echoes",
        "200 when the engine and the handler are ready, and 503 with the reason before",
        Answer(text="healthy"),
        "200 `Ok`",
        "An engine can fail.",
        method="GET",
        path="/health",
    ),
    Row(
        "`GET /`",
        "echoes",
        "200, with the server's name and state",
        Answer(text='"state":"ready"'),
        "200 `Ok`",
        "It says who answers.",
        method="GET",
        path="/",
    ),
    Row(
        "`AIP_PREDICT_ROUTE=/v1/endpoints/1:predict`",
        "echoes",
        "the handler",
        gives({"instances": ["a"]}),
        body=b'{"instances": ["a"]}',
        path="/v1/endpoints/1:predict",
        environment={"AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict"},
    ),
)
