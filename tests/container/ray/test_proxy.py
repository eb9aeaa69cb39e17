"""What stands around Serve's proxy, around applications that behave as the proxy does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from handrail_container.ray import front
from handrail_container.ray.proxy import ProxyMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def around(app: ASGIApp) -> ProxyMiddleware:
    """With times that a test can wait for."""
    return ProxyMiddleware(app, ping_s=0.3, one_ping_s=0.1)


def scope(path: str, kind: str = "http", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "path": path, "method": "GET", "headers": raw}


async def ask(app: ASGIApp, path: str, **headers: str) -> list[Message]:
    """What a client is sent that says nothing and stays."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope(path, **headers), stays, send)
    return sent


async def stays() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def answered(sent: list[Message]) -> tuple[int, Any]:
    return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))["error"]["type"]


def start(status: int = 200, *ids: str, media: str = "application/json") -> Message:
    headers = [(b"content-type", media.encode()), *((b"X-Request-ID", one.encode()) for one in ids)]
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"{}", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def says(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send({**message, "headers": list(message["headers"])} if "headers" in message else message)

    return app


def replica(*messages: Message) -> ASGIApp:
    """A proxy with a replica, which answers so: `/ping` with 200."""
    ping, other = says(start(200, "a", "a"), body()), says(*messages)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (ping if scope["path"] == "/ping" else other)(scope, receive, send)

    return app


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """A proxy without replicas: it waits for one, or until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


NOT_FOUND = says(start(404, "a"), body(b"no such path"))


def test_serve_is_given_one_of_these() -> None:
    (middleware,) = front()
    assert isinstance(middleware.cls(says()), ProxyMiddleware)


async def test_a_replicas_answer_goes_through_with_one_id() -> None:
    sent = await ask(around(replica(start(201, "of-the-handler", "of-serve"), body(b"{}"))), "/invocations")
    assert sent[0]["status"] == 201
    assert [value for name, value in sent[0]["headers"] if name.lower() == b"x-request-id"] == [b"of-the-handler"]
    assert sent[1]["body"] == b"{}"


@pytest.mark.parametrize(
    ("app", "kind"),
    [(NOT_FOUND, "loading"), (silent, "loading")],
    ids=["nothing is deployed", "no replica is ready"],
)
@pytest.mark.parametrize("path", ["/invocations", "/ping"])
async def test_before_there_is_a_replica_it_is_loading(app: ASGIApp, kind: str, path: str) -> None:
    sent = await asyncio.wait_for(ask(around(app), path, x_request_id="mine"), 5)
    assert answered(sent) == (503, kind)
    assert (b"x-request-id", b"mine") in sent[0]["headers"]


async def test_a_replica_that_ends_before_it_answers_is_said() -> None:
    assert answered(await ask(around(replica()), "/invocations")) == (503, "replica_ended")
    assert answered(await ask(around(replica(start(500, "a"), body(b"oh"))), "/x")) == (503, "replica_ended")


async def test_a_stream_of_events_that_breaks_ends_with_an_error() -> None:
    begun = (start(200, "a", "a", media="text/event-stream"), body(b"data: 1\n\n", more=True))
    sent = await ask(around(replica(*begun)), "/invocations")
    assert sent[-1]["body"].startswith(b"event: error\ndata: ")
    assert sent[-1]["more_body"] is False


async def test_any_other_answer_that_breaks_is_cut() -> None:
    sent = await ask(around(replica(start(200, "a", "a"), body(b"1", more=True))), "/invocations")
    assert sent[-1]["more_body"] is True


async def test_once_the_application_is_gone_it_loads_again() -> None:
    now: list[ASGIApp] = [replica(start(200, "a", "a"), body())]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await now[0](scope, receive, send)

    one = around(app)
    assert (await ask(one, "/invocations"))[0]["status"] == 200
    now[0] = silent
    assert answered(await ask(one, "/ping")) == (503, "loading")
    now[0] = NOT_FOUND
    assert answered(await ask(one, "/invocations")) == (503, "loading")


@pytest.mark.parametrize("fails", [silent, says(), says(start(500, "a"), body(b"oh"))])
async def test_another_replica_is_asked_for_a_ping(fails: ASGIApp) -> None:
    apps = iter([fails, replica()])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await next(apps)(scope, receive, send)

    assert (await asyncio.wait_for(ask(around(app), "/ping"), 3))[0]["status"] == 200


async def test_what_a_replica_says_of_its_health_is_passed_on() -> None:
    sent = await ask(around(says(start(503, "a", "a"), body(b"sick"))), "/health")
    assert (sent[0]["status"], sent[1]["body"]) == (503, b"sick")


def seen_by_serve(path: str, kind: str = "http", **headers: str) -> Callable[[], Any]:
    async def seen() -> dict[bytes, bytes]:
        scopes: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scopes.append(scope)
            await replica(start(200, "a", "a"), body())(scope, receive, send)

        async def send(message: Message) -> None:
            pass

        await around(app)(scope(path, kind, **headers), stays, send)
        return dict(scopes[-1]["headers"])

    return seen


async def test_serve_sees_the_id_and_the_session() -> None:
    given = {"x_amzn_sagemaker_inference_id": "mine", "x_request_id": "other", "x_session_id": "forged"}
    headers = await seen_by_serve("/invocations", **given, x_amzn_sagemaker_session_id="s1")()
    assert (headers[b"x-request-id"], headers[b"x-session-id"]) == (b"mine", b"s1")


@pytest.mark.parametrize("session", [{}, {"x_amzn_sagemaker_session_id": "NEW_SESSION"}])
async def test_without_a_session_any_replica_will_do(session: dict[str, str]) -> None:
    assert b"x-session-id" not in await seen_by_serve("/invocations", **session)()


async def test_a_websocket_has_a_session_as_well() -> None:
    headers = await seen_by_serve("/v1/websocket", "websocket", x_amzn_sagemaker_session_id="s1")()
    assert headers[b"x-session-id"] == b"s1"


@pytest.mark.parametrize(("path", "kind"), [("/-/healthz", "http"), ("/", "lifespan")])
async def test_what_is_serves_own_is_left_alone(path: str, kind: str) -> None:
    assert await seen_by_serve(path, kind)() == {}
