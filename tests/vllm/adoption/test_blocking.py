"""Scripts that call vLLM's blocking methods in `async def`: the server's loop goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.vllm.adoption.conftest import SCRIPTS, Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("name", ["blocks_in_app", "blocks_in_truss"])
async def test_each_request_has_its_answer(serve: Serve, name: str) -> None:
    folder: Path = SCRIPTS / name
    async with serve(folder, MODEL=str(MODEL)) as adopted:
        prompts = [f"{n} and" for n in range(6)]
        alone = [(await adopted.invoke({"prompt": prompt}))["text"] for prompt in prompts]
        together = await asyncio.gather(*(adopted.invoke({"prompt": prompt}) for prompt in prompts))
        assert [answer["text"] for answer in together] == alone
        assert await adopted.settled() == 0


async def test_others_do_not_wait(serve: Serve) -> None:
    """While its handler blocks, `/ping`, the engine's routes and its metrics are answered."""
    async with serve(SCRIPTS / "blocks_in_app", MODEL=str(MODEL)) as adopted:
        blocking = asyncio.create_task(adopted.invoke({"prompt": "Hello", "max_tokens": 240}))
        while not adopted.unfinished():
            await asyncio.sleep(0.005)
        assert (await adopted.http.get("/ping")).status_code == 200
        body = {"model": str(MODEL), "prompt": "Hello", "max_tokens": 2}
        assert (await adopted.http.post("/v1/completions", json=body)).status_code == 200
        assert not blocking.done()
        assert (await blocking)["count"] == 1
        assert (await adopted.http.get("/count")).json() == 1
