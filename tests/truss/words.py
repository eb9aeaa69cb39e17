"""The words that the rows are written in, beside those of tests/compat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.compat.table import UNSAID, Answer, Ask, Exchange, Outcome, Scenario, post, refuses, serves

ENVELOPE = "Our errors have one shape: `error` with message, type, code and request id."
DIAGNOSIS = "The author reads the exception and the line; `HANDRAIL_ERROR_DETAIL=none` hides them."

#: Truss's server ends by itself with 0, or by its own SIGKILL where a probe finds that the load has failed.
DIES = -9


def files(model: str, config: str = "model_name: m\n", **more: str) -> dict[str, str]:
    """A Truss: `more` are modules in its folder `model`."""
    modules = {f"model/{name}.py": text for name, text in more.items()}
    return {"config.yaml": config, "model/model.py": model, **modules}


def row(
    name: str, truss: Mapping[str, str], ours: Outcome | Exchange, theirs: Outcome | Exchange | None = None, **said: Any
) -> Scenario:
    """`said` is the `reason` of a difference or what Truss `fails` on, `environment`, `while_loading`."""
    return Scenario(name, "truss", truss, _outcome(ours), theirs=None if theirs is None else _outcome(theirs), **said)


def _outcome(given: Any) -> Outcome:
    return serves(given) if isinstance(given, tuple) else given


def predict(sent: Any, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    return post("/invocations", sent, status, json, **expected)


def case(name: str, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    """/invocations of a Model that is asked for one of its cases."""
    return predict({"case": name}, status, json, **expected)


def with_headers(exchange: Exchange, headers: Mapping[str, str]) -> Exchange:
    ask, answer = exchange
    return Ask(ask.method, ask.path, ask.body, {**ask.headers, **headers}), answer


def at_once(count: int, exchange: Exchange) -> Exchange:
    ask, answer = exchange
    return Ask(ask.method, ask.path, ask.body, ask.headers, at_once=count), answer


def leaving(after_s: float, exchange: Exchange) -> Exchange:
    """The client does not wait for the answer."""
    ask, _ = exchange
    return Ask(ask.method, ask.path, ask.body, ask.headers, leaves_after_s=after_s), Answer(0)


def raw(body: bytes, media_type: str, status: int, /, json_: Any = UNSAID, **expected: Any) -> Exchange:
    return Ask("POST", "/invocations", body, {"Content-Type": media_type}), Answer(status, json_, **expected)


def head(path: str, status: int) -> Exchange:
    return Ask("HEAD", path), Answer(status)


def socket(said: str, code: int, text: str = "", path: str = "/v1/websocket", **expected: Any) -> Exchange:
    return Ask("WS", path, said.encode()), Answer(code, text=text, **expected)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


__all__ = ["DIES", "refuses", "serves"]
