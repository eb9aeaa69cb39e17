"""What `predict` may return. One Model, which is asked for each case."""

from __future__ import annotations

from tests.compat.table import UNSAID
from tests.truss.words import case, files, row

MODEL = """
import dataclasses

from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel


class Out(BaseModel):
    text: str = "model"


@dataclasses.dataclass
class Data:
    text: str = "dataclass"


CASES = {
    "dict": lambda: {"a": 1},
    "list": lambda: [1, "a"],
    "text": lambda: "text",
    "None": lambda: None,
    "model": Out,
    "models": lambda: [Out()],
    "dataclass": Data,
    "set": lambda: {1},
    "nan": lambda: {"a": float("nan")},
    "response": lambda: JSONResponse({"a": 1}, 201, {"X-Mine": "yes"}),
    "empty": lambda: Response(status_code=204),
    "error": lambda: JSONResponse({"mine": True}, 500),
    "stream": lambda: StreamingResponse(iter(["one ", "two"]), media_type="text/event-stream"),
}


class Model:
    async def predict(self, model_input):
        return CASES[model_input["case"]]()
"""
TRUSS = files(MODEL)
JSONABLE = "Truss knows pydantic models only by themselves, and no dataclass nor set: 500."

ROWS = (
    row("a dict", TRUSS, case("dict", 200, {"a": 1}, headers={"content-type": "application/json"})),
    row("a list", TRUSS, case("list", 200, [1, "a"])),
    row("text is JSON", TRUSS, case("text", 200, "text")),
    row("None is null", TRUSS, case("None", 200, None)),
    row("a pydantic model", TRUSS, case("model", 200, {"text": "model"})),
    row(
        "pydantic models in a list",
        TRUSS,
        case("models", 200, [{"text": "model"}]),
        case("models", 500),
        fails=JSONABLE,
    ),
    row("a dataclass", TRUSS, case("dataclass", 200, {"text": "dataclass"}), case("dataclass", 500), fails=JSONABLE),
    row("a set", TRUSS, case("set", 200, [1]), case("set", 500), fails=JSONABLE),
    row(
        "NaN",
        TRUSS,
        case("nan", 500, text="Out of range float values are not JSON compliant"),
        case("nan", 200, UNSAID, text="NaN"),
        fails="It answers 200 with what no JSON parser of another language reads.",
    ),
    row("a Response is left alone", TRUSS, case("response", 201, {"a": 1}, headers={"x-mine": "yes"})),
    row("a Response without a body", TRUSS, case("empty", 204)),
    row("a Response that is an error", TRUSS, case("error", 500, {"mine": True})),
    row(
        "a StreamingResponse is left alone",
        TRUSS,
        case("stream", 200, text="one two", headers={"content-type": "text/event-stream; charset=utf-8"}),
    ),
)
