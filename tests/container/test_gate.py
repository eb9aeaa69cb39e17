from __future__ import annotations

import http.client
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from handrail_container.gate.access import AccessLog
from handrail_container.gate.admission import Lanes
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.http.envelope import Failure
from handrail_container.http.explain import explain_ours
from handrail_container.routes.endpoint import Endpoint, Routes
from handrail_container.settings.fields import Settings
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.conftest import Launch
from tests.servers import Served

#: 0.1 MB
LIMIT = 104_857
WAYS = {
    State.STARTING: [],
    State.LOADING: [State.LOADING],
    State.WARMING: [State.LOADING, State.WARMING],
    State.READY: [State.LOADING, State.WARMING, State.READY],
    State.DRAINING: [State.LOADING, State.WARMING, State.READY, State.DRAINING],
    State.FAILED: [State.LOADING, State.WARMING, State.READY, State.FAILED],
    State.STOPPED: [State.DRAINING, State.STOPPED],
}


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("for explain")


def endpoint(app: Any, methods: tuple[str, ...] = ("GET",), *, is_always_open: bool = False) -> Endpoint:
    return Endpoint(app, methods, lambda error, request_id: Failure(500, str(error)), is_always_open)


def gate_in(state: State, access_log: str = "errors") -> Gate:
    """A gate with routes, in a server that has come to `state`."""
    lifecycle = Lifecycle()
    for step in WAYS[state]:
        lifecycle.move(step, f"it is {step}")
    gate = Gate(lifecycle, Lanes(Settings()), max_body_bytes=1000, access_log=access_log)
    gate.endpoints["/open"] = endpoint(hello, is_always_open=True)
    endpoints = {"/hello": endpoint(hello), "/refusing": endpoint(refusing)}
    gate.open(hello, Routes(endpoints, {"": Endpoint(hello, (), explain_ours)}, {}))
    return gate


def client_of(gate: Gate) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate", verify=False)


@pytest.fixture(scope="module")
def told(serving: Launch) -> Served:
    return serving("does_as_told.py", HANDRAIL_MAX_BODY_MB="0.1")


@pytest.mark.parametrize("state", [State.STARTING, State.LOADING, State.WARMING])
@pytest.mark.parametrize("path", ["/ping", "/invocations", "/v1/models", "/nowhere", "/hello"])
async def test_until_it_is_ready_every_route_says_loading_and_the_step(state: State, path: str) -> None:
    """503, Retry-After, and an error of type `loading` whose message is the step."""
    gate = gate_in(state)
    async with client_of(gate) as client:
        answer = await client.get(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (503, 503, "loading")
    assert error["message"] == gate.lifecycle.reason
    assert int(answer.headers["retry-after"]) > 0
    assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("state", "kind"),
    [(State.DRAINING, "draining"), (State.STOPPED, "draining"), (State.FAILED, "engine_dead")],
)
async def test_after_it_was_ready_it_sends_clients_away(state: State, kind: str) -> None:
    """503, Retry-After, and the connection is closed: the next request should go elsewhere."""
    async with client_of(gate_in(state)) as client:
        answer = await client.get("/hello")
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, kind)
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("state", State)
async def test_what_is_always_open_answers_in_every_state(state: State) -> None:
    """`/` and `/metrics`."""
    async with client_of(gate_in(state)) as client:
        assert (await client.get("/open")).text == "hello"


async def test_a_gate_that_was_not_opened_yet_is_loading() -> None:
    """There is no application behind it."""
    gate = Gate(Lifecycle(), Lanes(Settings()), max_body_bytes=1000, access_log="errors")
    async with client_of(gate) as client:
        assert (await client.get("/hello")).json()["error"]["type"] == "loading"


async def test_another_method_is_refused_with_those_that_are_allowed() -> None:
    """405 and Allow."""
    async with client_of(gate_in(State.READY)) as client:
        answer = await client.delete("/hello")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json()["error"]["message"] == "/hello takes GET, not DELETE"


async def test_what_an_endpoint_raises_is_explained_by_its_own_explainer() -> None:
    """A handler's exception is told differently from one of ours."""
    async with client_of(gate_in(State.READY)) as client:
        answer = await client.get("/refusing")
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "for explain")


async def test_a_response_that_is_sent_again_has_the_id_of_each_request() -> None:
    """A handler may keep one; what is answered with it is not written into it."""
    kept = PlainTextResponse("kept")
    gate = gate_in(State.READY)
    gate.endpoints["/kept"] = endpoint(kept)
    async with client_of(gate) as client:
        ids = [(await client.get("/kept", headers={"X-Request-Id": name})).headers["x-request-id"] for name in "ab"]
    assert (ids, "x-request-id" in kept.headers) == (["a", "b"], False)


async def test_nothing_leads_from_a_request_to_its_exchange_once_it_is_over() -> None:
    """Both are freed at once; to leave them to the collector is to have it run."""
    scopes = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        assert "handrail.exchange" in scope["state"]
        scopes.append(scope)
        await hello(scope, receive, send)

    gate = gate_in(State.READY)
    gate.endpoints["/keep"] = endpoint(keep)
    async with client_of(gate) as client:
        await client.get("/keep")
    assert "handrail.exchange" not in scopes[0]["state"]


async def test_requests_in_flight_are_counted() -> None:
    """The drain waits for them."""
    counts = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        counts.append(gate.requests.total)
        await hello(scope, receive, send)

    gate = gate_in(State.READY)
    gate.endpoints["/counting"] = endpoint(counting)
    async with client_of(gate) as client:
        await client.get("/counting")
        await client.get("/refusing")
    assert (counts, gate.requests.total) == ([1], 0)


@pytest.fixture
def access(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "handrail.access")
    return caplog


@pytest.mark.parametrize(
    ("setting", "logged"),
    [("errors", ["/refusing 500"]), ("all", ["/hello 200", "/refusing 500"]), ("off", [])],
)
async def test_the_access_log_has_what_its_setting_says(
    access: pytest.LogCaptureFixture, setting: str, logged: list[str]
) -> None:
    """HANDRAIL_ACCESS_LOG: what is not 2xx, everything, or nothing; a good /ping never."""
    gate = gate_in(State.READY, setting)
    gate.endpoints["/ping"] = endpoint(hello)
    async with client_of(gate) as client:
        for path in ("/hello", "/refusing", "/ping"):
            await client.get(path)
    assert [" ".join(message.split()[1:3]) for message in access.messages] == logged


async def test_a_slow_answer_is_logged_though_it_is_200(access: pytest.LogCaptureFixture) -> None:
    """And the line has the request id, to find it by."""
    gate = gate_in(State.READY)
    gate._access = AccessLog("errors", slow_s=0)
    gate.endpoints["/ping"] = endpoint(hello)
    async with client_of(gate) as client:
        await client.get("/ping")
        await client.get("/hello", headers={"X-Request-Id": "the-slow-one"})
    (line,) = access.messages
    assert line.startswith("GET /hello 200 ")
    assert line.endswith(" ms bytes=5 request_id=the-slow-one")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Amzn-SageMaker-Inference-Id": "inference", "X-Request-Id": "request"}, "inference"),
        ({"X-Request-Id": "request"}, "request"),
    ],
)
def test_the_request_id_is_the_client_s(told: Served, headers: dict[str, str], expected: str) -> None:
    """SageMaker's inference id before X-Request-Id; echoed, on errors too and in their body."""
    good = told.http.post("/invocations", json={}, headers=headers)
    bad = told.http.post("/invocations", json={"do": "raise_error"}, headers=headers)
    assert good.headers["x-request-id"] == bad.headers["x-request-id"] == expected
    assert bad.json()["error"]["request_id"] == expected


def test_a_request_without_an_id_gets_a_new_one(told: Served) -> None:
    """Another for each."""
    ids = {told.http.get("/ping").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(ids)


def test_the_handler_s_own_request_id_is_kept(told: Served) -> None:
    """Seed 001's complete example sets one."""
    answer = told.http.post("/invocations", json={"do": "own_request_id"}, headers={"X-Request-Id": "theirs"})
    assert answer.headers.get_list("x-request-id") == ["the handler's own"]


@pytest.mark.parametrize("given", [b"x" * 257, b"i" * 10_000, b"caf\xe9", b"a\tb", b""])
def test_an_id_that_cannot_be_echoed_is_replaced(told: Served, given: bytes) -> None:
    """It is longer than 256 characters, or not of printable ASCII."""
    answer = told.http.post("/invocations", json={"do": "raise_error"}, headers={b"X-Request-Id": given})
    assert answer.status_code == 500
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


def test_an_id_of_256_characters_is_kept(told: Served) -> None:
    """SageMaker's have 64 at most."""
    longest = "~-" * 127 + "id"
    assert told.http.get("/ping", headers={"X-Request-Id": longest}).headers["x-request-id"] == longest


@pytest.mark.parametrize(("path", "logged"), [("/a%0Ab%00c", r"/a\nb\x00c"), ("/" + "p" * 300, "/" + "p" * 255 + "…")])
def test_a_path_is_logged_on_one_line(told: Served, path: str, logged: str) -> None:
    """Nobody writes a line of the log but we."""
    answer = told.http.get(path)
    told.says(f"GET {logged} 404")
    assert answer.json()["error"]["type"] == "not_found"


@pytest.mark.parametrize("headers", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_trickles_in_is_408(told: Served, headers: bytes) -> None:
    """The client is late, not the handler; the connection is closed."""
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Handrail-Timeout-S: 0.2\r\n" + headers + b"\r\n"
    answer = raw(told, head, b'2\r\n{"\r\n')
    error = json.loads(answer.body)["error"]  # type: ignore[attr-defined]
    assert (answer.status, error["type"], answer.getheader("connection")) == (408, "request_timeout", "close")


@pytest.mark.parametrize("path", ["/adapters", "/adapters/one", "/invocations", "/v1/chat/completions", "/v1/models/x"])
def test_a_body_that_never_ends_is_408_on_every_route_that_reads_one(serving: Launch, path: str) -> None:
    """Requests that nobody has to admit too: their bodies would take up HANDRAIL_MAX_BODIES_MB for ever."""
    served = serving("does_as_told.py", HANDRAIL_INVOCATION_TIMEOUT_S="0.3")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    assert raw(served, head.encode(), b"{").status in {404, 405, 408}  # type: ignore[attr-defined]
    assert raw(served, head.replace(path, "/adapters").encode(), b"{").status == 408  # type: ignore[attr-defined]


@pytest.mark.parametrize("do", ["raise_bad_header", "raise_bad_status"])
def test_an_error_whose_answer_cannot_be_sent_is_500(told: Served, do: str) -> None:
    """It is the handler's, and the body says of what kind."""
    answer = told.http.post("/invocations", json={"do": do})
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "handler_error")


async def test_an_explanation_that_fails_is_a_bug_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """Answered and logged all the same."""

    def explain(error: BaseException, request_id: str) -> Failure:
        raise LookupError("in the explanation")

    gate = gate_in(State.READY)
    gate.endpoints["/odd"] = Endpoint(refusing, (), explain)
    async with client_of(gate) as client:
        answer = await client.get("/odd")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "internal_server_error")
    assert "in the explanation" in caplog.text


def test_an_unknown_path_is_404_in_the_envelope(told: Served) -> None:
    """It names the path."""
    answer = told.http.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": "there is no /nowhere",
        "type": "not_found",
        "code": 404,
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/invocations", {"POST"}),
        ("DELETE", "/ping", {"GET", "POST", "HEAD"}),
        ("GET", "/v1/chat/completions", {"POST"}),
        ("POST", "/metrics", {"GET"}),
    ],
)
def test_a_wrong_method_is_405_with_allow(told: Served, method: str, path: str, allowed: set[str]) -> None:
    """On our routes and on the engine's."""
    answer = told.http.request(method, path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (405, "method_not_allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


def test_ping_answers_get_post_and_head(told: Served) -> None:
    """HEAD without a body, and the connection is still good after it."""
    for method in ("GET", "POST", "HEAD", "GET"):
        answer = told.http.request(method, "/ping")
        assert answer.status_code == 200
        assert bool(answer.content) is (method != "HEAD")


def raw(served: Served, *parts: bytes) -> http.client.HTTPResponse:
    """The answer to bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


def test_an_announced_body_that_is_too_large_is_refused_unread(told: Served) -> None:
    """413 from its Content-Length alone; the connection is closed, and the setting is named."""
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 104858\r\n\r\n"
    answer = raw(told, head)
    assert (answer.status, answer.getheader("connection")) == (413, "close")
    assert b"larger than 0.1 MB; HANDRAIL_MAX_BODY_MB sets the limit" in answer.body  # type: ignore[attr-defined]


def test_a_body_at_the_limit_is_read(told: Served) -> None:
    """The limit itself is allowed."""
    body = b'{"pad": "' + b"x" * (LIMIT - 11) + b'"}'
    assert len(body) == LIMIT
    assert told.http.post("/invocations", content=body).status_code == 200


def chunks(total: int) -> Iterator[bytes]:
    yield b'{"messages": [], "prompt": "'
    for _ in range(total // 1000):
        yield b"x" * 1000
    yield b'"}'


@pytest.mark.parametrize("path", ["/invocations", "/v1/completions"])
@pytest.mark.parametrize("script", ["does_as_told.py", "pydantic_body.py", None])
def test_a_chunked_body_that_grows_too_large_is_413(serving: Launch, script: str | None, path: str) -> None:
    """Whoever reads it: a handler, FastAPI for a handler, the default, or the engine's own route."""
    served = serving(script, HANDRAIL_MAX_BODY_MB="0.1")
    answer = served.http.post(path, content=chunks(120_000), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "content_too_large")
    assert "HANDRAIL_MAX_BODY_MB" in answer.json()["error"]["message"]
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_within_the_limit_is_read(told: Served) -> None:
    """The count is of this body alone."""
    for _ in range(3):
        answer = told.http.post("/invocations", content=chunks(60_000), headers={"Content-Type": "application/json"})
        assert answer.status_code == 200


def test_a_client_that_leaves_while_it_sends_is_499_in_the_log(told: Served) -> None:
    """Nobody reads the answer but the log."""
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Request-Id: left-early\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", told.port)) as connection:
        connection.sendall(head + b'{"do":')
    told.says("request_id=left-early")
    (line,) = [line for line in told.stderr.splitlines() if "left-early" in line]
    assert "POST /invocations 499" in line
