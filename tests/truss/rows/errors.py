"""What a Model raises, and what the client gets. One Model, which is asked for each case."""

from __future__ import annotations

from tests.compat.table import serves
from tests.truss.words import DIAGNOSIS, ENVELOPE, case, files, row

MODEL = """
import fastapi
import starlette.exceptions


def fails(error):
    raise error


CASES = {
    "text": lambda: fails(fastapi.HTTPException(418, "short and stout")),
    "detail": lambda: fails(fastapi.HTTPException(409, {"field": "prompt"})),
    "number": lambda: fails(fastapi.HTTPException(409, 5)),
    "retry": lambda: fails(fastapi.HTTPException(429, "slow down", {"Retry-After": "3"})),
    "starlette": lambda: fails(starlette.exceptions.HTTPException(404, "no such thing")),
    "error": lambda: fails(ValueError("the details")),
    "unready": lambda: fails(NotImplementedError("not yet")),
}


class Model:
    def __init__(self, secrets):
        self.secrets = secrets

    def predict(self, model_input):
        name = model_input["case"]
        if name == "leak":
            raise fastapi.HTTPException(403, f"bad key {self.secrets['key']}")
        if name == "undeclared":
            return self.secrets["other"]
        if name == "default":
            return self.secrets.get("other", "none")
        if name == "in":
            return ["key" in self.secrets, "other" in self.secrets]
        if name == "secret":
            return self.secrets["key"] == "s3cret-value"
        if name == "unset":
            return self.secrets["unset"]
        return CASES[name]()
"""
TRUSS = files(MODEL, "secrets:\n  key: null\n  unset: null\n")
ENVIRONMENT = {"TRUSS_SECRET_key": "s3cret-value"}
MAPPING = "Its SecretNotFound is no KeyError: `.get` and `in` raise, and the answer is 500."

ROWS = tuple(
    row(*given, environment=ENVIRONMENT, **said)  # type: ignore[arg-type]
    for given, said in (
        (("HTTPException keeps its status", TRUSS, case("text", 418, text="short and stout")), {}),
        (
            (
                "the shape of an error",
                TRUSS,
                case("text", 418, {"error": {"message": "short and stout", "type": "im_a_teapot", "code": 418}}),
                case("text", 418, {"error": "short and stout"}, headers={"x-baseten-error-source": "04"}),
            ),
            {"reason": ENVELOPE},
        ),
        (
            (
                "a detail that is an object",
                TRUSS,
                case("detail", 409, {"error": {"detail": {"field": "prompt"}}}),
                case("detail", 409, {"error": {"field": "prompt"}}),
            ),
            {"reason": ENVELOPE},
        ),
        (
            ("a detail that is a number", TRUSS, case("number", 409, {"error": {"detail": 5}}), case("number", 500)),
            {"fails": "Its own error handler fails on it: 500."},
        ),
        (
            (
                "HTTPException keeps its headers",
                TRUSS,
                case("retry", 429, headers={"retry-after": "3"}),
                case("retry", 429, absent=("retry-after",)),
            ),
            {"fails": "Clients are told to slow down, not for how long."},
        ),
        (
            ("Starlette's HTTPException", TRUSS, case("starlette", 404, text="no such thing"), case("starlette", 500)),
            {"fails": "It knows FastAPI's alone; the one that Starlette raises is a 500."},
        ),
        (
            (
                "any other exception is a 500",
                TRUSS,
                serves(case("error", 500, text="ValueError: the details"), says=("ValueError: the details",)),
                serves(case("error", 500, without="the details"), says=("ValueError: the details",)),
            ),
            {"reason": DIAGNOSIS},
        ),
        (("NotImplementedError is a 500", TRUSS, case("unready", 500)), {}),
        (("a secret that is declared", TRUSS, case("secret", 200, True)), {}),
        (("a secret that is not declared is a 500", TRUSS, case("undeclared", 500)), {}),
        (("a secret without a value is a 500", TRUSS, case("unset", 500)), {}),
        (
            ("`secrets.get` with a default", TRUSS, case("default", 200, "none"), case("default", 500)),
            {"fails": MAPPING},
        ),
        (("`in secrets`", TRUSS, case("in", 200, [True, False]), case("in", 500)), {"fails": MAPPING}),
        (
            (
                "a secret in an error",
                TRUSS,
                case("leak", 403, text="bad key ***", without="s3cret"),
                case("leak", 403, text="bad key s3cret-value"),
            ),
            {"fails": "The client reads it."},
        ),
    )
)
