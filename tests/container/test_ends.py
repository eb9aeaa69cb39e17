"""What a handler raises, whatever it is, is its request's 500; in its tasks and threads it ends nothing but them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop
from handrail_container.process.strays import Strays, strays
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.container.test_server import Running, running
from tests.servers import SCRIPTS

KINDS = ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException", "BaseExceptionGroup"]
COUNTED = 'handrail_invocations_total{{outcome="handler_error"}} {}'


@asynccontextmanager
async def serving(script: str = "ends_everything.py") -> AsyncIterator[Running]:
    given = {"HANDRAIL_ENGINE": "echo", "CUSTOM_SCRIPT_FILENAME": script, "HANDRAIL_ACCESS_LOG": "errors"}
    async with running(SCRIPTS, **given) as run:
        await run.answers(200)
        yield run


async def told(run: Running, where: str, what: str) -> httpx.Response:
    return await run.http.post("/invocations", json={"where": where, "what": what})


async def test_it_is_the_error_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    """In the envelope, with the status in the access log, and counted as the handler's; on the loop, in a thread, and
    in a generator before its first piece."""
    caplog.set_level(logging.INFO)
    async with serving() as run:
        answers = [await told(run, where, what) for where in ("here", "in_thread", "first") for what in KINDS]
        metrics = (await run.http.get("/metrics")).text
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (500, "handler_error")
        assert error["message"].startswith("answer raised ")
        assert "ends_everything.py:" in error["message"]
    assert COUNTED.format(f"{len(answers)}.0") in metrics
    assert len([line for line in caplog.messages if line.startswith("POST /invocations 500")]) == len(answers)


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("where", ["later", "plain_later"])
async def test_in_a_stream_it_is_its_last_event(where: str, what: str) -> None:
    async with serving() as run:
        answer = await told(run, where, what)
        metrics = (await run.http.get("/metrics")).text
    first, event, data = answer.text.split("\n\n")[0], *answer.text.split("\n\n")[1].splitlines()
    assert (answer.status_code, first, event) == (200, "data: 1", "event: error")
    assert json.loads(data.removeprefix("data: "))["error"]["type"] == "handler_error"
    assert COUNTED.format("1.0") in metrics


@pytest.mark.parametrize("what", KINDS)
async def test_in_the_ping_slot_it_is_503_once(what: str) -> None:
    async with serving() as run:
        await told(run, "ping", what)
        answers = [await run.http.get("/ping") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert "ends_everything.py:" in answers[0].json()["error"]["message"]


@pytest.mark.parametrize("what", KINDS)
async def test_in_a_websocket_it_is_1011(what: str) -> None:
    async with serving() as run:
        url = f"ws://127.0.0.1:{run.server.port}/invocations-bidirectional-stream"
        async with connect(url, proxy=None) as client:
            await client.send(json.dumps({"what": what}))
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        assert (await run.http.get("/ping")).status_code == 200


async def test_a_plain_function_may_exit_too() -> None:
    async with serving("exits_in_a_def.py") as run:
        answer = await run.http.post("/invocations")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "handler_error")
    assert "SystemExit: 6" in answer.json()["error"]["message"]


@pytest.mark.parametrize("what", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize(("where", "who"), [("task", "a task"), ("callback", "a task"), ("thread", "a thread")])
@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_what_it_has_started_ends_nothing_but_itself(
    what: str, where: str, who: str, loop: type[asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    """Logged with its line, counted, and served on."""
    before, hook = strays.count, threading.excepthook

    async def main() -> str:
        async with serving() as run:
            assert (await told(run, where, what)).status_code == 200
            async with asyncio.timeout(30):
                while strays.count == before:
                    await asyncio.sleep(0.01)
            assert (await told(run, "here", what)).status_code == 500
            return (await run.http.get("/metrics")).text

    with asyncio.Runner(loop_factory=loop) as runner:
        metrics = strays.run(runner, main())
    assert f"handrail_strays_total {before + 1}.0" in metrics
    assert strays.count == before + 1
    (line,) = [line for line in caplog.messages if "the server goes on" in line]
    assert line.startswith(f"{who}")
    assert f"{what}(6) at " in line
    assert "ends_everything.py:" in line
    assert threading.excepthook is hook


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_the_server_itself_still_does() -> None:
    """And a thread's ordinary exception is told as before."""
    seen: list[type[BaseException]] = []

    async def main() -> None:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        raise SystemExit(3)

    before, threading.excepthook = threading.excepthook, lambda raised: seen.append(raised.exc_type)
    try:
        with asyncio.Runner() as runner, pytest.raises(SystemExit):
            Strays().run(runner, main())
    finally:
        threading.excepthook = before
    assert seen == [ZeroDivisionError]


async def exits_beside() -> int:
    asyncio.get_running_loop().call_soon(sys.exit, 6)
    await asyncio.sleep(0.01)
    return 7


def test_what_runs_beside_it_has_its_result_all_the_same() -> None:
    strays = Strays()
    with asyncio.Runner() as runner:
        assert strays.run(runner, exits_beside()) == 7
    assert strays.count == 1


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_script_that_stops_the_loop_ends_nothing(
    loop: type[asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    """Its request is answered, the server goes on, and every part of it still ends in order."""

    async def main() -> None:
        async with serving() as run:
            for _ in range(2):
                assert (await told(run, "stopped_loop", "")).status_code == 200
            assert (await run.http.get("/ping")).status_code == 200
            assert (await told(run, "here", "ValueError")).status_code == 500

    before = strays.count
    with asyncio.Runner(loop_factory=loop) as runner:
        strays.run(runner, main())
    assert strays.count == before + 2
    assert len([line for line in caplog.messages if "stopped the event loop" in line]) == 2


def test_a_loop_that_ends_with_its_own_error_says_so() -> None:
    async def main() -> None:
        raise RuntimeError("its own")

    with asyncio.Runner() as runner, pytest.raises(RuntimeError, match="its own"):
        Strays().run(runner, main())
