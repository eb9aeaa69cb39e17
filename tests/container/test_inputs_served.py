"""Requests with `inputs` to a server: its routes, keys, adapters, errors and clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail_container.engine.asgi.enveloped import enveloped
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.routes.inputs.answering import Inputs
from handrail_container.routes.inputs.dialect import DIALECTS
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conftest import Launch
from tests.container.test_adapters import SOURCE
from tests.container.test_leaving import SLOW, leaves, metric
from tests.container.test_leaving import running as running_on
from tests.container.test_server import Engine, engine, running
from tests.servers import SCRIPTS, Served, eventually

__all__ = ["engine"]  # a fixture
PATHS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}


@pytest.fixture(scope="module")
def echo(serving: Launch) -> Served:
    return serving()


def post(served: Served, path: str, body: Any, **headers: str) -> httpx.Response:
    return served.http.post(path, json=body, headers=headers)


def message(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    said: str = answer.json()["error"]["message"]
    return said


def test_the_body_is_json(echo: Served) -> None:
    """With `inputs`, on TGI's routes too; on these nothing else is taken."""
    assert message(post(echo, "/generate", {"prompt": "one"})) == (
        '/generate takes a JSON object with \'inputs\': {"inputs": "…"}'
    )
    assert "takes a JSON object" in message(post(echo, "/generate", ["one"]))
    assert "not JSON" in message(echo.http.post("/generate", content=b"{"))
    text = echo.http.post("/generate_stream", content=b"one", headers={"Content-Type": "text/plain"})
    assert "'text/plain'" in message(text)


def test_tgi_s_routes_take_post(echo: Served) -> None:
    """And `/` is still there for those who only look."""
    assert echo.http.get("/generate").status_code == 405
    assert echo.http.get("/").json()["state"] == "ready"
    assert "/generate" in echo.http.get("/openapi.json").json()["paths"]


def test_tgi_s_routes_are_not_there_beside_a_handler(serving: Launch) -> None:
    """They would pass it by."""
    served = serving("dict_body.py")
    for path in ("/generate", "/generate_stream", "/compat_generate"):
        assert post(served, path, {"inputs": "one"}).status_code == 404
    assert post(served, "/", {"inputs": "one"}).status_code == 405
    assert "/generate" not in served.http.get("/openapi.json").json()["paths"]


def test_a_key_is_asked_for(launch: Launch, tmp_path: Path) -> None:
    """`GET /` needs none, `POST /` does."""
    served = launch(tmp_path, HANDRAIL_API_KEY="secret").ready()
    for path in ("/", "/generate", "/invocations"):
        assert post(served, path, {"inputs": "one"}).status_code == 401
        assert post(served, path, {"inputs": "one"}, Authorization="Bearer secret").status_code == 200


async def test_while_it_loads_tgi_s_clients_are_told_to_wait(engine: Engine, tmp_path: Path) -> None:
    """503, which they try again."""
    engine.warming.clear()
    async with running(tmp_path) as served:
        await served.answers(503)
        for path in ("/", "/generate"):
            assert (await served.http.post(path, json={"inputs": "one"})).status_code == 503
        engine.warming.set()
        await served.answers(200)
        assert (await served.http.post("/", json={"inputs": "one"})).json() == [{"generated_text": "oneone"}]


async def test_a_model_that_embeds(engine: Engine, tmp_path: Path) -> None:
    """A vector for a text, a list for a list."""
    engine.routes_by_payload = {"messages": "/v1/embeddings", "input": "/v1/embeddings"}
    async with running(tmp_path) as served:
        await served.answers(200)
        one = (await served.http.post("/invocations", json={"inputs": "one"})).json()
        both = (await served.http.post("/invocations", json={"inputs": ["one", "two"]})).json()
        assert (len(one), both[0] == one, len(both)) == (8, True, 2)
        assert (await served.http.post("/generate", json={"inputs": "one"})).status_code == 404


async def test_a_model_that_takes_no_inputs_is_described_without_them(engine: Engine, tmp_path: Path) -> None:
    engine.routes_by_payload = {"queries": "/v1/score"}
    async with running(tmp_path) as served:
        await served.answers(200)
        refused = (await served.http.post("/invocations", json={"text": "one"})).json()["error"]["message"]
    assert refused.startswith('/invocations takes {"queries": …} (/v1/score); this is ')


def test_an_adapter_of_the_body_or_of_the_header(serving: Launch) -> None:
    """The header comes first, as for any body: the platform routed the request by it."""
    echo = serving(HANDRAIL_ADAPTERS_PATH=str(Path(SOURCE).parent))
    assert post(echo, "/adapters", {"name": "poet", "src": SOURCE}).status_code == 200
    assert post(echo, "/generate", {"inputs": "a", "parameters": {"adapter_id": "poet"}}).status_code == 200
    body = {"inputs": "a", "parameters": {"adapter_id": "x"}}
    assert "'x'" in message(post(echo, "/generate", body), 404)
    header = "X-Amzn-SageMaker-Adapter-Identifier"
    assert "'y'" in message(post(echo, "/invocations", body, **{header: "y"}), 404)
    assert post(echo, "/invocations", body, **{header: "poet"}).json() == {"generated_text": "a"}


def test_a_client_that_leaves_ends_its_request(launch: Launch) -> None:
    """Streamed or not."""
    served = launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME="tells_what_runs.py", **SLOW).ready()
    for body, reads in (({"inputs": "two words"}, b""), ({"inputs": "two words", "stream": True}, b"two")):
        leaves(served, "/invocations", body, reads)
        eventually(lambda: not running_on(served), "the engine to stop", 30)
    assert metric(served, 'handrail_invocations_total{outcome="cancelled"}') == 2


def around(application: ASGIApp) -> httpx.AsyncClient:
    """A client of what translates, and of nothing else."""
    inputs = Inputs(application, PATHS, EchoAdapters("echo"), DIALECTS["lmi"])

    class Exchange:
        has_failed = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        state = {"adapter": None, "handrail.request_id": "r", "handrail.exchange": Exchange()}
        await inputs({**scope, "state": state}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine")


@pytest.mark.parametrize("told", [{"choices": []}, {"generated": "x"}, [1], None, {"choices": [{"text": 3}]}])
async def test_a_route_that_answers_something_else(told: Any) -> None:
    """A script's own, which need not be OpenAI's."""
    with pytest.raises(Exception, match="/v1/completions is not one of the OpenAI API"):
        await around(JSONResponse(told)).post("/invocations", json={"inputs": "a"})


async def test_an_answer_in_pieces() -> None:
    """As an engine may send a long one."""
    whole = StreamingResponse(pieces('{"choices": [{"text": "a", ', '"finish_reason": "stop"}]}'))
    assert (await around(whole).post("/invocations", json={"inputs": "a"})).json() == {"generated_text": "a"}


async def test_errors_of_the_engine_pass() -> None:
    """As they are."""
    answer = await around(Response("busy", 503)).post("/invocations", json={"inputs": "a"})
    assert (answer.status_code, answer.text) == (503, "busy")


def event(text: str, reason: str | None = None) -> str:
    return f"data: {json.dumps({'choices': [{'text': text, 'finish_reason': reason}]})}\n\n"


async def pieces(*events: str) -> AsyncIterator[str]:
    for one in events:
        yield one


async def test_an_engine_that_fails_midway() -> None:
    """Its error is the last line, in our form; what it says then is dropped."""
    failed = 'data: {"error": {"message": "no memory", "code": 500}}\n\n'
    application = enveloped(
        StreamingResponse(pieces(event("a"), failed, "data: [DONE]\n\n"), media_type="text/event-stream"), {}
    )
    answer = await around(application).post("/invocations", json={"inputs": "a", "stream": True})
    first, last = map(json.loads, answer.text.splitlines())
    assert (first["token"]["text"], last["error"]["message"]) == ("a", "no memory")


async def test_an_engine_that_ends_too_early_or_goes_on() -> None:
    """A stream has its end, and nothing after an error."""
    short = StreamingResponse(pieces(event("a")), media_type="text/event-stream")
    answer = await around(short).post("/invocations", json={"inputs": "a", "stream": True})
    assert "before its answer did" in json.loads(answer.text.splitlines()[-1])["error"]["message"]
    wrong = StreamingResponse(pieces("data: 1\n\n", event("a", "stop")), media_type="text/event-stream")
    answer = await around(wrong).post("/invocations", json={"inputs": "a", "stream": True})
    assert len(answer.text.splitlines()) == 1
