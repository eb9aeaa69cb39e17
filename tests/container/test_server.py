"""A server in this process, with engines that fail in every way an engine can."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from handrail.resolve import Program
from handrail_container.engine import opening
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.lifecycle import State
from handrail_container.process.exits import EngineDeadError, EngineStartError, ExitCode, SettingsError
from handrail_container.server.server import Server
from handrail_container.settings.fields import Settings

from tests.interpreter import user_programs_forgotten
from tests.servers import SCRIPTS


class Engine(EchoBackend):
    """An echo that does at each step what a test tells it to."""

    def __init__(self) -> None:
        super().__init__(Pace(), "echo")
        self.preparing: Callable[[], object] = lambda: None
        self.starting: Callable[[], object] = lambda: None
        self.warming = asyncio.Event()
        self.warming.set()
        self.death: Exception | None = None
        self.stops = 0

    def prepare(self) -> None:
        self.preparing()

    async def start(self, app: FastAPI) -> None:
        self.starting()
        await super().start(app)

    async def warm_up(self) -> None:
        await self.warming.wait()
        await super().warm_up()

    async def check_health(self) -> None:
        if self.death is not None:
            raise self.death

    async def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(opening, "open_backend", lambda settings, fallback: engine)
    return engine


class Running:
    """A server that runs as a task, and a client of it."""

    def __init__(self, server: Server, task: asyncio.Task[ExitCode], http: httpx.AsyncClient) -> None:
        self.server, self.task, self.http = server, task, http

    async def answers(self, status: int, path: str = "/ping") -> httpx.Response:
        """The first answer with that status."""
        while (answer := await self.http.get(path)).status_code != status:
            await asyncio.sleep(0.01)
        return answer

    async def exit_code(self) -> ExitCode:
        return await self.task


@asynccontextmanager
async def running(model_path: Path, **given: Any) -> AsyncIterator[Running]:
    with user_programs_forgotten(model_path):
        async with _running(model_path, **given) as served:
            yield served


@asynccontextmanager
async def _running(model_path: Path, **given: Any) -> AsyncIterator[Running]:
    server = Server(Settings(SAGEMAKER_MODEL_PATH=model_path, SAGEMAKER_BIND_TO_PORT=0, **given), "127.0.0.1")
    task = asyncio.create_task(server.run())
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=False) as http:
        yield Running(server, task, http)
    if not task.done():
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert server.lifecycle.state is State.STOPPED


async def test_it_serves_until_a_signal_and_stops_cleanly(engine: Engine, tmp_path: Path) -> None:
    """0, the engine is stopped once, and who answers is told to `when_ready`."""
    ready: list[Program] = []
    async with running(tmp_path) as served:
        served.server.when_ready = ready.append
        assert (await served.answers(200)).json() == {"status": "healthy"}
        os.kill(os.getpid(), signal.SIGTERM)
        assert await served.exit_code() is ExitCode.CLEAN
    assert engine.stops == 1
    assert len(ready) == 1


async def test_the_reason_names_each_step_of_the_start(engine: Engine, tmp_path: Path) -> None:
    """The flags, then the first token; `/` and `/metrics` answer meanwhile."""
    checked = threading.Event()
    engine.preparing = checked.wait
    engine.warming.clear()
    async with running(tmp_path) as served:

        async def says(reason: str) -> None:
            while (error := (await served.http.get("/ping")).json()["error"])["message"] != reason:
                assert error["type"] == "loading"
                await asyncio.sleep(0.01)

        await says("the echo engine's flags are checked")
        checked.set()
        await says("the first token is awaited")
        assert (await served.http.get("/")).json()["state"] == "warming"
        assert (await served.http.get("/metrics")).status_code == 200
        assert (await served.http.get("/health")).status_code == 503
        assert (await served.http.get("/v1/models")).status_code == 503
        engine.warming.set()
        await served.answers(200)


def raising(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


async def test_flags_that_are_refused_are_2(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem on a line; the engine was never started, and is stopped all the same."""
    engine.preparing = raising(SettingsError("SM_VLLM_A is wrong.", "SM_VLLM_B is wrong."))
    async with running(tmp_path) as served:
        assert await served.exit_code() is ExitCode.SETTINGS
    assert capsys.readouterr().err == "handrail: SM_VLLM_A is wrong.\nhandrail: SM_VLLM_B is wrong.\n"
    assert engine.stops == 1


async def test_an_engine_that_does_not_start_is_4(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own cause is the last line, without a traceback."""
    engine.starting = raising(EngineStartError("no memory for the cache"))
    async with running(tmp_path) as served:
        assert await served.exit_code() is ExitCode.ENGINE_START
    assert capsys.readouterr().err == "handrail: no memory for the cache\n"
    assert engine.stops == 1


async def test_an_engine_that_dies_is_5(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """/ping is 503 from the moment it is dead; then the process ends with the reason."""
    async with running(tmp_path) as served:
        await served.answers(200)
        engine.death = EngineDeadError("its process ended")
        assert (await served.answers(503)).json()["error"]["message"] == "its process ended"
        assert await served.exit_code() is ExitCode.ENGINE_DEAD
    assert capsys.readouterr().err == "handrail: its process ended\n"
    assert engine.stops == 1


@pytest.mark.parametrize("step", ["preparing", "starting"])
async def test_a_bug_is_1_and_its_traceback_is_logged(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    """Whatever else is raised: nobody's settings or script are to blame."""
    setattr(engine, step, raising(ZeroDivisionError("ours")))
    async with running(tmp_path) as served:
        assert await served.exit_code() is ExitCode.BUG
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_refused_script_is_3_before_the_engine_is_touched(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights would have taken minutes."""
    engine.preparing = engine.starting = raising(AssertionError("too early"))
    async with running(SCRIPTS, CUSTOM_SCRIPT_FILENAME="untyped_second_parameter.py") as served:
        assert await served.exit_code() is ExitCode.SCRIPT
    assert "'temperature'" in capsys.readouterr().err


async def test_a_missing_script_is_2(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """The setting is wrong, not the program."""
    async with running(SCRIPTS, CUSTOM_SCRIPT_FILENAME="no_such_file.py") as served:
        assert await served.exit_code() is ExitCode.SETTINGS
    assert "CUSTOM_SCRIPT_FILENAME is 'no_such_file.py'" in capsys.readouterr().err


async def test_who_answers_and_what_is_hidden_is_logged(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """One INFO line a slot, and a warning where a rung hides another."""
    caplog.set_level(logging.INFO, "handrail")
    async with running(SCRIPTS, CUSTOM_SCRIPT_FILENAME="every_rung.py") as served:
        await served.answers(200)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "handrail"]
    assert ("INFO", "/ping is answered by the default handler: nothing else asks for it") in lines
    (answered,) = [text for level, text in lines if level == "INFO" and text.startswith("/invocations ")]
    assert "decorated" in answered
    assert f"{SCRIPTS / 'every_rung.py'}:" in answered
    assert [text for level, text in lines if level == "WARNING" and "hides" in text]


async def test_what_is_in_flight_has_so_long_to_finish(engine: Engine, tmp_path: Path) -> None:
    """HANDRAIL_DRAIN_S; then it is cancelled, and told so."""
    release = tmp_path / "never"
    script = {"CUSTOM_SCRIPT_FILENAME": "holds_requests.py"}
    async with running(SCRIPTS, HANDRAIL_DRAIN_S=0.1, **script) as served:
        await served.answers(200)
        held = asyncio.create_task(served.http.post("/invocations", json={"until": str(release)}))
        while not served.server._gate.requests.total:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await served.exit_code() is ExitCode.CLEAN
        answer = await held
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "draining")


REQUEST = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_request_that_has_come_is_answered_before_its_connection_is_closed(
    engine: Engine, tmp_path: Path
) -> None:
    """Though nobody has read it yet when the server hangs up; where there is none, it hangs up at once."""
    async with running(tmp_path) as served:
        await served.answers(200)
        await served.http.aclose()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(REQUEST)
        await reader.readuntil(b"}")
        (connection,) = served.server._listener.server_state.connections
        socket.socket.send(writer.get_extra_info("socket")._sock, REQUEST)
        connection.shutdown()
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")
        connection.shutdown()
        assert await reader.read() == b""
        writer.close()


async def test_an_answer_that_begins_while_it_stops_says_that_the_connection_ends(
    engine: Engine, tmp_path: Path
) -> None:
    """The client would send its next request into a void."""
    release = tmp_path / "release"
    async with running(SCRIPTS, CUSTOM_SCRIPT_FILENAME="holds_requests.py") as served:
        await served.answers(200)
        held = asyncio.create_task(served.http.post("/invocations", json={"until": str(release)}))
        while not served.server._gate.requests.total:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        while served.server.lifecycle.state is not State.DRAINING:
            await asyncio.sleep(0.01)
        release.touch()
        answer = await held
        assert await served.exit_code() is ExitCode.CLEAN
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_a_connection_that_never_asked_anything_holds_up_no_stop(engine: Engine, tmp_path: Path) -> None:
    """It is closed without a word."""
    async with running(tmp_path) as served:
        await served.answers(200)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        while len(served.server._listener.server_state.connections) < 2:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert await served.exit_code() is ExitCode.CLEAN
        writer.close()


async def test_a_signal_before_it_runs_is_heard(engine: Engine, tmp_path: Path) -> None:
    """There is nobody yet who watches the loop; it stops before it has loaded anything."""
    server = Server(Settings(SAGEMAKER_MODEL_PATH=tmp_path, SAGEMAKER_BIND_TO_PORT=0), "127.0.0.1")
    os.kill(os.getpid(), signal.SIGTERM)
    assert await server.run() is ExitCode.CLEAN
