"""Many requests at once, clients that leave, timeouts, and threads and event loops of a script's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.vllm.adoption import written
from tests.vllm.adoption.conftest import SCRIPTS, Adopted, Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

PROMPTS = [f"{word} {number}" for word in ("Hello", "The sun", "One two", "Why") for number in range(8)]
LONG = ["long_in_def", "long_in_truss", "long_in_app", "long_in_async", "long_stream_in_app"]


@pytest.mark.parametrize("form", [written.BLOCKING, written.ASYNCHRONOUS], ids=lambda form: form.name)
async def test_each_of_many_gets_its_own_answer(form: written.Form, serve: Serve, tmp_path: Path) -> None:
    async with serve(written.write(tmp_path, "decorators", "request", form), MODEL=str(MODEL)) as adopted:
        alone = [await adopted.invoke({"prompt": prompt}) for prompt in PROMPTS]
        at_once = await asyncio.gather(*(adopted.invoke({"prompt": prompt}) for prompt in PROMPTS))
        assert at_once == alone
        assert [answer["prompt"] for answer in at_once] == PROMPTS
        assert len({tuple(answer["token_ids"]) for answer in at_once}) > 1
        assert adopted.unfinished() == 0


@pytest.mark.parametrize("script", LONG)
async def test_a_client_that_leaves_ends_its_requests(script: str, serve: Serve) -> None:
    async with serve(SCRIPTS / script, MODEL=str(MODEL)) as adopted:
        async with httpx.AsyncClient(base_url=adopted.http.base_url, timeout=60) as leaving:
            asking = asyncio.create_task(leaving.post("/invocations", json={"prompt": "Hello"}))
            await adopted.until(lambda: adopted.unfinished() == 1)
            asking.cancel()
            await asyncio.wait({asking})
        await adopted.until(lambda: adopted.unfinished() == 0)
        assert await _ended(adopted)


@pytest.mark.parametrize("script", ["long_in_def", "long_in_truss", "long_in_async"])
async def test_a_timeout_ends_the_requests(script: str, serve: Serve) -> None:
    async with serve(SCRIPTS / script, MODEL=str(MODEL), HANDRAIL_INVOCATION_TIMEOUT_S="1") as adopted:
        answer = await adopted.http.post("/invocations", json={"prompt": ["Hello"] * 40})
        assert answer.status_code == 504, answer.text
        await adopted.until(lambda: adopted.unfinished() == 0)
        assert await _ended(adopted)


async def _ended(adopted: Adopted) -> list[str]:
    """How the script saw its requests end, which it does a moment after the engine."""
    async with asyncio.timeout(10):
        while not (ended := await adopted.invoke({})):
            await asyncio.sleep(0.01)
    assert len(ended) == 1
    return list(ended)


@pytest.mark.parametrize("by", ["threads", "pool", "loop", "batch"])
async def test_threads_of_the_script_use_its_llm(by: str, serve: Serve) -> None:
    async with serve(SCRIPTS / "own_threads", MODEL=str(MODEL)) as adopted:
        whole = await adopted.invoke({"by": "pool", "prompts": PROMPTS[:4]})
        asked = [adopted.invoke({"by": by, "prompts": PROMPTS[:4]}) for _ in range(4)]
        assert await asyncio.gather(*asked) == [whole] * 4


@pytest.mark.parametrize("by", ["run", "thread"])
async def test_event_loops_of_the_script_use_its_engine(by: str, serve: Serve) -> None:
    async with serve(SCRIPTS / "own_threads", MODEL=str(MODEL)) as adopted:
        whole = await adopted.invoke({"by": "pool", "prompts": PROMPTS[:4]})
    async with serve(SCRIPTS / "own_loops", MODEL=str(MODEL)) as adopted:
        asked = [adopted.invoke({"by": by, "prompts": PROMPTS[:4]}) for _ in range(4)]
        assert await asyncio.gather(*asked) == [whole] * 4
