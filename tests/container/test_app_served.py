"""An application of the script's behind the server: its own routes, life and errors, on the echo engine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail_container.process.exits import ExitCode
from handrail_container.server.server import Server
from handrail_container.settings.fields import Settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.container.test_server import Running, running
from tests.servers import SCRIPTS, Served

APPS = SCRIPTS / "apps"


@asynccontextmanager
async def serving(script: str, folder: Path = APPS, **given: Any) -> AsyncIterator[Running]:
    async with running(folder, HANDRAIL_ENGINE="echo", CUSTOM_SCRIPT_FILENAME=script, **given) as served:
        await served.answers(200)
        yield served


def socket_of(served: Running, path: str, **given: Any) -> connect:
    return connect(f"ws://127.0.0.1:{served.server.port}{path}", proxy=None, **given)


async def test_its_routes_come_before_the_engines(caplog: pytest.LogCaptureFixture) -> None:
    """With its lifespan's state, its dependencies, its middleware, and the engine; the others are the engine's."""
    caplog.set_level(logging.INFO, "handrail")
    async with serving("whole_app.py") as served:
        http = served.http
        answer = await http.post("/invocations", json={"prompt": "a b"}, headers={"X-Customer": "c1"})
        assert answer.json() == {"said": "a b", "who": "c1", "loaded": "an index", "own": True}
        assert answer.headers["X-Stamp"] == "POST /invocations"
        assert answer.headers["X-Request-Id"]
        chat = (await http.post("/v1/chat/completions", json={"prompt": "c"})).json()
        assert chat["mine"]["choices"][0]["text"] == "c"
        assert (await http.post("/v1/completions", json={"prompt": "d"})).json()["choices"][0]["text"] == "d"
        assert (await http.get("/life")).json() == ["begun with EchoClient"]
        state = await http.get("/state")
        assert state.json() == ["of a client", state.headers["X-Request-Id"]]
        assert (await http.get("/shop/tea")).json() == {"item": "tea", "url": "/shop/tea"}
        assert (await http.get("/static/one_post.py")).text == (APPS / "one_post.py").read_text()
        assert (await http.get("/of-the-middleware")).json() == {"by": "the middleware"}
        assert (await http.get("/inner/known")).json() == {"root_path": "/inner"}
        assert (await http.get("/openapi.json")).json()["info"]["title"] == "Mine"
        assert "Mine" in (await http.get("/docs")).text
        assert (await http.get("/ping")).json() == {"status": "healthy"}
        metrics = (await http.get("/metrics")).text
        assert 'handrail_requests_total{route="/shop/{item}",status="200"} 1.0' in metrics
    assert "/invocations is answered by answer" in caplog.text


async def test_its_own_answers_to_errors_come_first() -> None:
    """Validation, an HTTPException, a handler of its own, a wrong method, an unknown path, and a preflight."""
    async with serving("whole_app.py") as served:
        http = served.http
        assert (await http.get("/sold-out")).json() == {"sold": "out"}
        refused = await http.get("/refused")
        assert (refused.status_code, refused.json()) == (418, {"detail": {"teapot": True}})
        wrong = await http.post("/invocations", json={})
        assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "prompt"])
        for path in ("/invocations", "/later"):
            assert (await http.get(path)).json() == {"detail": "Method Not Allowed"}
        assert (await http.get("/nowhere")).json() == {"detail": "Not Found"}
        asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        preflight = await http.options("/later", headers=asks)
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"


async def test_what_it_does_not_handle_is_the_servers_error(caplog: pytest.LogCaptureFixture) -> None:
    """With the author's line, once, in the answer and in the log."""
    async with serving("whole_app.py") as served:
        for path, said in (
            ("/broken", "broken raised ZeroDivisionError: division by zero"),
            ("/inner/breaks", "breaks raised KeyError: 'inside'"),
        ):
            caplog.clear()
            answer = await served.http.get(path)
            error = answer.json()["error"]
            assert (answer.status_code, error["type"]) == (500, "handler_error")
            assert error["message"].startswith(f"{said} ({APPS / 'whole_app.py'}:")
            assert [record.message.count(said.partition(":")[0]) for record in caplog.records] == [1]
        assert (await served.http.get("/stream-breaks")).text == "one "  # Starlette's middleware ends it so
        assert "pieces raised ValueError at" in caplog.text


async def test_a_handler_of_its_own_for_everything_answers(caplog: pytest.LogCaptureFixture) -> None:
    """And the log has the error."""
    async with serving("handles_everything.py") as served:
        broken = await served.http.post("/invocations", json={})
        assert (broken.status_code, broken.json()) == (500, {"oops": "as asked"})
        assert (await served.http.get("/nowhere")).json() == {"nowhere": "/nowhere"}
    assert "broken raised ValueError at" in caplog.text


async def test_streams_background_tasks_and_clients_that_leave() -> None:
    async with serving("whole_app.py") as served:
        http = served.http
        async with http.stream("GET", "/stream") as answer:
            assert "".join([text async for text in answer.aiter_text()]) == "one two three"
        assert (await http.post("/later")).json() == {"will": "do"}
        while "remembered" not in (await http.get("/life")).json():
            await asyncio.sleep(0.01)
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/waits", timeout=0.2)
        while "its client left" not in (await http.get("/life")).json():
            await asyncio.sleep(0.01)


async def test_a_route_may_ask_whether_its_client_left() -> None:
    async with serving("sees_clients_leave.py") as served:
        for path in ("/waits", "/invocations"):
            with pytest.raises(httpx.ReadTimeout):
                await served.http.post(path, timeout=0.2)
        while (await served.http.get("/left")).json() != ["/waits", "/waits"]:
            await asyncio.sleep(0.01)


async def test_the_gate_is_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, deadlines and the size of a body; its lifespan ends after the last request."""
    key = {"Authorization": "Bearer secret"}
    async with serving(
        "whole_app.py", HANDRAIL_API_KEY="secret", HANDRAIL_INVOCATION_TIMEOUT_S=0.5, HANDRAIL_MAX_BODY_MB=0.001
    ) as served:
        http = served.http
        assert (await http.get("/life")).status_code == 401
        assert (await http.get("/waits", headers=key)).json()["error"]["type"] == "timeout"
        large = await http.post("/invocations", content=b"a" * 2000, headers=key)
        assert large.status_code == 413
        with pytest.raises(InvalidStatus, match="401"):
            async with socket_of(served, "/ws/me"):
                pass
    assert "the lifespan has ended" in capsys.readouterr().out


async def _said(connection: ClientConnection, text: str) -> Any:
    await connection.send(text)
    return json.loads(await connection.recv())


async def test_its_websockets(caplog: pytest.LogCaptureFixture) -> None:
    """By templates, with the lifespan's state; an exception is 1011 and in the log."""
    async with serving("whole_app.py") as served:
        async with socket_of(served, "/ws/me") as connection:
            assert await _said(connection, "a b") == {"me": "a b", "loaded": "an index"}
            await connection.send("break")
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        with pytest.raises(InvalidStatus, match="404"):
            async with socket_of(served, "/nowhere"):
                pass
    assert f"socket raised ValueError at {APPS / 'whole_app.py'}:" in caplog.text


async def test_a_ping_of_its_own_is_asked_where_the_engine_is_well() -> None:
    """Its status counts, by GET; `/health`, the first page and WebSockets are its own too, `/metrics` is not."""
    async with serving("pings.py") as served:
        http = served.http
        assert (await http.get("/ping")).json() == {"pong": "GET"}
        assert (await http.post("/ping")).json() == {"pong": "GET"}
        assert (await http.get("/health")).json() == {"mine": True}
        assert (await http.get("/")).json() == {"front": "page"}
        assert "handrail_requests_total" in (await http.get("/metrics")).text
        for path in ("/invocations-bidirectional-stream", "/v1/websocket"):
            async with socket_of(served, path) as connection:
                assert await connection.recv() == "mine"
        assert (await http.post("/invocations", json={"prompt": "a"})).json()["choices"][0]["text"] == "a"
        await http.put("/ill")
        assert (await http.get("/ping")).status_code == 500


async def test_a_page_of_its_own_asks_for_the_key() -> None:
    """On the path, too, that needs none where it is Handrail's; a health check has none."""
    async with serving("pings.py", HANDRAIL_API_KEY="secret") as served:
        assert (await served.answers(401, "/")).json()["error"]["code"] == 401
        assert (await served.http.get("/", headers={"Authorization": "Bearer secret"})).json() == {"front": "page"}
        for method, path, status in (("GET", "/ping", 200), ("GET", "/health", 200), ("POST", "/health", 401)):
            assert (await served.http.request(method, path)).status_code == status


async def test_a_mount_at_the_root_comes_last() -> None:
    """What the engine or the server knows is theirs; a mounted application has its own routes."""
    async with serving("at_the_root.py", HANDRAIL_APP_INVOCATION="/b") as served:
        http = served.http
        assert (await http.get("/")).status_code == 404  # the page of the static files, which is not there
        assert (await http.get("/pings.py")).text == (APPS / "pings.py").read_text()
        assert (await http.get("/execution-parameters")).json()["MaxPayloadInMB"]
        assert (await http.post("/v1/completions", json={"prompt": "d"})).json()["choices"][0]["text"] == "d"
        assert (await http.post("/v1/chat/completions")).json() == "of the mount"
        assert (await http.get("/adapters/none")).json()["error"]["code"] == 404
        assert (await http.post("/invocations", json={"a": 1})).json() == {"b": {"a": 1}}
        document = (await http.get("/openapi.json")).json()
        assert document["info"]["title"] == "Handrail"
        assert document["paths"]["/invocations"]["post"]["operationId"] == "b_b_post"


@pytest.mark.filterwarnings("ignore:The .root_path. parameter is deprecated")  # of FastAPI 0.165, and still meant
async def test_handlers_of_higher_rungs_come_first() -> None:
    """Each slot by itself; its other routes are its own, with and without the path of its proxy."""
    async with serving("beside_handlers.py") as served:
        assert (await served.http.post("/invocations", json={})).json() == {"by": "the decorator"}
        for path in ("/more", "/behind/a/proxy/more"):
            assert (await served.http.get(path)).json() == {"by": "the app"}


async def test_it_is_found_elsewhere_by_the_setting() -> None:
    async with serving("named_elsewhere/model.py", CUSTOM_APP="one_post.py:app") as served:
        assert (await served.http.get("/hello/you")).json() == {"hello": "you"}


async def test_errors_beside_its_routes_are_named() -> None:
    """By the function that raised, or the endpoint where only the framework did."""
    async with serving("middleware_breaks.py", Path(os.path.relpath(APPS))) as served:
        for path, said in (
            ("/before", "Breaks.__call__ raised ValueError: before any route"),
            ("/no-answer", "no_answer raised AttributeError"),
        ):
            message = (await served.http.get(path)).json()["error"]["message"]
            assert message.startswith(said), message
            assert f"{APPS / 'middleware_breaks.py'}:" in message
        assert (await served.http.get("/after")).text == "null"  # it has been answered
        assert (await served.http.get("/own")).json() == "the author's own"
        assert (await served.http.post("/v1/completions", json={"prompt": "d"})).status_code == 200


async def test_one_that_cannot_be_described_is_served() -> None:
    async with serving("cannot_be_described.py") as served:
        assert (await served.http.post("/invocations")).json() is None
        assert "post" in (await served.http.get("/openapi.json")).json()["paths"]["/invocations"]
        message = (await served.http.get("/no-user-frame")).json()["error"]["message"]
        assert message.startswith("not_callable_as_it_should_be raised TypeError")
        assert f"({APPS / 'cannot_be_described.py'}:17)" in message


async def test_a_start_that_fails_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"SAGEMAKER_MODEL_PATH": APPS, "SAGEMAKER_BIND_TO_PORT": 0, "HANDRAIL_ENGINE": "echo"}
    server = Server(Settings(CUSTOM_SCRIPT_FILENAME="lifespan_fails.py", **given), "127.0.0.1")
    assert await server.run() is ExitCode.SCRIPT
    where = f"{APPS / 'lifespan_fails.py'}:8"
    assert f"{where} the app failed at its start: SystemExit: no index" in capsys.readouterr().err


EDITED = """
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    print("VERSION begins", flush=True)
    yield
    print("VERSION ends", flush=True)


app = FastAPI(lifespan=lifespan)


@app.get("/VERSION")
async def version():
    return "VERSION"
"""


def test_a_reload_replaces_its_routes(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The new one begins before the old one ends; the routes of the old one are gone."""
    script, log = tmp_path / "model.py", tmp_path_factory.mktemp("logs") / "log"
    script.write_text(EDITED.replace("VERSION", "first"))
    served = Served(tmp_path, log, "--watch", HANDRAIL_ENGINE="echo")
    try:
        served.ready()
        assert served.http.get("/first").json() == "first"
        script.write_text(EDITED.replace("VERSION", "second"))
        served.says("reloaded in")
        assert served.http.get("/second").json() == "second"
        assert served.http.get("/first").status_code == 404
    finally:
        served.stop()
    said = [line for line in served.stdout.splitlines() if "begins" in line or "ends" in line]
    assert said == ["first begins", "second begins", "first ends", "second ends"]


async def test_the_script_s_own_middleware_is_around_its_routes() -> None:
    """Once, also where a route answers `/invocations`; `/ping` is outside."""
    async with serving("throttled.py") as served:
        for method, path in (("POST", "/invocations"), ("POST", "/only"), ("GET", "/more"), ("GET", "/docs")):
            assert (await served.http.request(method, path)).headers["X-Counted"] == "once"
        assert "X-Counted" not in (await served.http.get("/ping")).headers


async def test_a_model_that_answers_elsewhere_is_served_beside_it() -> None:
    async with serving("with_a_model_beside.py") as served:
        assert (await served.http.post("/v1/completions", json={})).json() == {"by": "the Model"}
        assert (await served.http.get("/more")).json() == {"by": "the app"}
