"""Which path reaches which method."""

from __future__ import annotations

from tests.compat.table import CHAT, get, post
from tests.truss.words import files, head, predict, row

MODEL = """
from pydantic import BaseModel


class In(BaseModel):
    a: int = 0


class Model:
    def predict(self, model_input: In) -> In:
        return model_input

    def chat_completions(self, model_input):
        return {"chat": True}

    def embeddings(self, model_input):
        return {"embeddings": True}

    def messages(self, model_input):
        return {"messages": True}

    def responses(self, model_input):
        return {"responses": True}
"""
TRUSS = files(MODEL)
PLAIN = files("class Model:\n    def predict(self, model_input):\n        return model_input\n")
ALIAS = "Those of Baseten's gateway, which is not there on SageMaker."

ROWS = (
    row("/invocations is predict", PLAIN, predict({"a": 1}, 200, {"a": 1})),
    row("/v1/models/{name}:predict, whatever the name", PLAIN, post("/v1/models/any:predict", {"a": 1}, 200, {"a": 1})),
    row("/predict", PLAIN, post("/predict", {"a": 1}, 200, {"a": 1}), post("/predict", {}, 404), fails=ALIAS),
    *(
        row(f"a method of its own: {path}", TRUSS, post(path, {"a": 1}, 200, {path.rsplit("/")[2]: True}))
        for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/responses")
    ),
    row(
        "/sync/v1/chat/completions",
        TRUSS,
        post("/sync/v1/chat/completions", {}, 200, {"chat": True}),
        post("/sync/v1/chat/completions", {}, 404),
        fails=ALIAS,
    ),
    row(
        "a route that the Model has no method for",
        PLAIN,
        post("/v1/chat/completions", CHAT, 200, CHAT),
        post("/v1/chat/completions", CHAT, 404),
        reason="`predict` answers, as Baseten documents it; `HANDRAIL_MODEL_ROUTES` has `engine` and `strict`.",
    ),
    row(
        "the same, strictly",
        PLAIN,
        post("/v1/chat/completions", CHAT, 404),
        environment={"HANDRAIL_MODEL_ROUTES": "strict"},
    ),
    row("another path is 404", PLAIN, get("/nowhere", 404)),
    row("GET of a POST route is 405", PLAIN, get("/invocations", 405)),
    row("HEAD /ping", PLAIN, head("/ping", 200), head("/ping", 405), fails="It takes GET alone."),
    row(
        "the schema of its annotations",
        TRUSS,
        get("/v1/models/model/schema", 200, {"supports_streaming": False}, text='"title":"In"'),
    ),
    row("no schema without them", PLAIN, get("/v1/models/model/schema", 404)),
    row(
        "/metrics",
        PLAIN,
        get("/metrics", 200),
        get("/metrics", 307),
        reason="At once, where Truss redirects to /metrics/.",
    ),
)
