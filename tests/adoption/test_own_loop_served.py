"""An application whose coroutines block, behind the server: it has a loop of its own, and nobody waits for that."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from handrail_container.cli.check import check_program
from handrail_container.process.exits import ExitCode
from websockets.asyncio.client import connect

from tests.adoption.own_loops import FOLDER, placed, serving, stand_in
from tests.interpreter import user_programs_forgotten

APP = (FOLDER / "app.py").read_text().splitlines()


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(APP, 1) if text in line)


async def test_others_are_answered_while_it_blocks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """/ping repeats what the script said last; its own routes wait, and each gets its answer in the end."""
    caplog.set_level(logging.INFO, "handrail")
    async with serving(tmp_path, "app") as served:
        async with served.blocked() as asking:
            waiting = served.posting("/batched")
            for _ in range(5):
                assert (await served.http.get("/ping")).json() == {"status": "mine"}
            chat = {"messages": [{"role": "user", "content": "b"}]}
            assert (await served.http.post("/v1/chat/completions", json=chat)).status_code == 200
            assert (await served.http.get("/health")).status_code == 200
            assert not asking.done()
            assert not waiting.done()
        assert (await asking).json() == {"said": "a by tiny", "left": False}
        assert (await waiting).json()["said"] == "quick by tiny"
    line = line_of("future.set_result(llm")
    assert f"an event loop of their own, as {tmp_path}/model.py:{line} blocks it; their requests run" in caplog.text
    assert "as they may share asyncio.Queue" in caplog.text


async def test_it_has_one_loop(tmp_path: Path) -> None:
    """Its lifespan, its task, its lock, its futures and its handlers are on it, with the request's context."""
    async with serving(tmp_path, "app") as served:
        answers = await asyncio.gather(*(served.posting("/batched", headers={"x-who": f"c{n}"}) for n in range(8)))
        told = [answer.json() for answer in answers]
        assert told == [{"said": "quick by tiny", "who": f"c{n}", "same": True} for n in range(8)]
        assert (await served.posting("/thread")).json() != "script-loop"
        ended = served.script.ended
    assert ended == ["script-loop"]


async def test_what_it_raises_names_its_line(tmp_path: Path) -> None:
    async with serving(tmp_path, "app") as served:
        error = (await served.posting("/fail")).json()["error"]
        assert f"model.py:{line_of('raise KeyError')}" in json.dumps(error), error
        assert (await served.posting("/exit")).status_code == 500
        assert (await served.posting("/batched")).status_code == 200


async def test_its_stream_is_sent_piece_by_piece_and_ends_with_its_client(tmp_path: Path) -> None:
    async with serving(tmp_path, "app") as served:
        assert (await served.posting("/stream", "4")).text == "0\n1\n2\n3\n"
        served.script.cancelled.clear()
        async with served.http.stream("POST", "/stream", content="100000000") as answer:
            assert (await anext(answer.aiter_bytes())).startswith(b"0\n")
        assert await asyncio.to_thread(served.script.cancelled.wait, 60)


async def test_a_client_that_leaves_and_a_deadline_cancel_its_work(tmp_path: Path) -> None:
    async with serving(tmp_path, "app", HANDRAIL_INVOCATION_TIMEOUT_S="30") as served:
        leaving = served.posting("/wait")
        await asyncio.wait({leaving}, timeout=0.1)
        leaving.cancel()
        assert await asyncio.to_thread(served.script.cancelled.wait, 60)
        served.script.cancelled.clear()
        answer = await served.posting("/wait", headers={"X-Handrail-Timeout-S": "0.2"})
        assert answer.status_code == 504
        assert await asyncio.to_thread(served.script.cancelled.wait, 60)


async def test_a_deadline_is_kept_though_the_handler_blocks(tmp_path: Path) -> None:
    async with serving(tmp_path, "app") as served:
        asking = served.posting(headers={"X-Handrail-Timeout-S": "0.3"})
        await served.is_blocked()
        assert (await asking).status_code == 504
        assert served.vllm.WAITING
        served.vllm.MAY_GO.set()
        assert (await served.posting("/batched")).status_code == 200


async def test_it_sees_after_it_blocked_that_its_client_has_left(tmp_path: Path) -> None:
    async with serving(tmp_path, "disconnects", HANDRAIL_CANCEL_ON_DISCONNECT="false") as served:
        async with served.blocked() as leaving:
            leaving.cancel()
            await asyncio.sleep(0.3)  # the server sees it meanwhile
        assert await asyncio.to_thread(served.script.asked.wait, 60)
        assert served.script.left == [True]


async def test_its_websocket(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, "app") as served,
        connect(f"ws://127.0.0.1:{served.server.port}/talk", proxy=None) as socket,
    ):
        for text in ("x", "y"):
            await socket.send(text)
            assert await socket.recv() == f"{text} quick by tiny script-loop"


async def test_the_server_stops_while_it_blocks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, "app", HANDRAIL_DRAIN_S="0.5") as served:
        asking = served.posting()
        await served.is_blocked()
        began = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await served.running.exit_code() is ExitCode.CLEAN
        assert time.monotonic() - began < 20
        with pytest.raises(httpx.HTTPError):
            (await asking).raise_for_status()
    assert "the script blocks its event loop still" in caplog.text


async def test_without_adoption_it_is_on_the_servers_loop(tmp_path: Path) -> None:
    async with serving(tmp_path, "app", HANDRAIL_ADOPT=False) as served:
        assert served.running.server.lifecycle.is_ready
        told = (await served.posting("/batched")).json()
        assert told["same"]
        assert served.script.ended == []
        assert (await served.http.get("/loop")).json() is True


def test_check_says_it(tmp_path: Path) -> None:
    given: dict[str, Any] = {"model_path": placed(tmp_path, "app"), "engine": "echo"}
    with stand_in(), user_programs_forgotten(tmp_path):
        report = check_program(**given)
        told, data = report.to_text(), json.loads(report.to_json())
        untouched = check_program(**given, adopt=False).to_text()
    assert "event loop\n  the script's coroutines run on an event loop of their own" in told
    assert "event loop\n" not in untouched
    assert data["event_loop"].startswith("the script's coroutines run on an event loop of their own")
