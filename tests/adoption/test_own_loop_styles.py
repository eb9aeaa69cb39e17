"""Programs of each kind whose coroutines block: what runs on their own loop, and on whose beside it."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.adoption.own_loops import placed, serving, stand_in
from tests.container.test_teardown import Edits
from tests.interpreter import user_programs_forgotten
from tests.servers import PATIENCE_S


async def test_handlers_that_share_nothing_block_at_the_same_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "handrail")
    async with serving(tmp_path, "alone") as served:
        asking = [served.posting(body=f"p{n}") for n in range(3)]
        await served.is_blocked(3)
        assert (await served.posting("/quick")).json() == "script-loop-of-a-request"
        assert (await served.http.get("/ping")).json() == {"on": "script-loop"}
        served.vllm.MAY_GO.set()
        told = [answer.json() for answer in await asyncio.gather(*asking)]
        assert [one["said"] for one in told] == [f"p{n} by tiny" for n in range(3)]
        assert {one["on"] for one in told} == {"script-loop-of-a-request"}
        async with connect(f"ws://127.0.0.1:{served.server.port}/talk", proxy=None) as socket:
            assert await socket.recv() == "script-loop"
    assert "blocks it; each request has one, as they share nothing" in caplog.text


async def test_a_request_that_blocks_past_its_deadline_keeps_its_loop(tmp_path: Path) -> None:
    async with serving(tmp_path, "alone") as served:
        assert (await served.posting(headers={"X-Handrail-Timeout-S": "0.2"})).status_code == 504
        assert served.vllm.WAITING
        assert (await served.posting("/quick")).status_code == 200
        served.vllm.MAY_GO.set()
        assert (await served.posting()).status_code == 200


async def test_handlers_hooks_and_middleware_of_a_script(tmp_path: Path) -> None:
    """The middleware that blocks is on the script's loop, the other one on the server's, as is the engine."""
    async with serving(tmp_path, "handlers") as served:
        assert served.script.said[0] == ("script-loop", "a b")
        assert served.script.said[1][0] != "script-loop"
        answer = await served.posting(body="c d")
        assert answer.json() == {"said": ["c d", 3, "c d"], "model": "quick by tiny", "on": "script-loop"}
        assert (answer.headers["x-blocks"], answer.headers["x-around"]) == ("script-loop", "MainThread")
        assert (await served.http.get("/ping")).status_code == 200
        said = served.script.said
    assert said[-1] == ("script-loop", "end")


async def test_a_truss(tmp_path: Path) -> None:
    """It is healthy while it blocks, as it said last."""
    async with serving(tmp_path, "truss") as served:
        async with served.blocked(json={"prompt": "a"}) as asking:
            assert (await served.http.get("/ping")).status_code == 200
            assert (await served.http.get("/health")).status_code == 200
            assert not asking.done()
        assert (await asking).json() == {"said": "a by tiny", "on": "script-loop", "same": True}
        assert (await served.posting("/predict", json={"prompt": "quick"})).json()["said"] == "quick by tiny"


async def test_a_script_for_sagemakers_toolkit(tmp_path: Path) -> None:
    async with serving(tmp_path, "toolkit") as served:
        async with served.blocked(json={"prompt": "a"}) as asking:
            assert (await served.http.get("/ping")).status_code == 200
        assert (await asking).json() == {"said": "a by tiny"}


def script_loops() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("script-loop")}


async def test_a_reload_has_a_loop_of_its_own(tmp_path: Path) -> None:
    """That of the replaced program ends; so does the last one with the server."""
    placed(tmp_path, "handlers")
    with stand_in(), user_programs_forgotten(tmp_path):
        edits = Edits(tmp_path)
        await edits.begin()
        (before,) = script_loops()
        await edits.serving.reload()
        await asyncio.to_thread(before.join, PATIENCE_S)
        (after,) = script_loops()
        assert edits.gate.lifecycle.reloads == {"ok": 1, "refused": 0}
        await edits.serving.end()
        await asyncio.to_thread(after.join, PATIENCE_S)
    assert script_loops() == set()
