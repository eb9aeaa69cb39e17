"""Streams that are left, subclasses, odd inputs, steps, and a server that stops in the middle."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.vllm.adoption.conftest import SCRIPTS, Serve
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]


async def test_streams_that_are_left_are_aborted(serve: Serve) -> None:
    async with serve(SCRIPTS / "drops_its_streams", MODEL=str(MODEL)) as adopted:
        for by in ("server's loop", "own loop"):
            for way in ("leave", "take one", "cancel", "time out"):
                assert await adopted.invoke({"by": by, "way": way})
                await adopted.until(lambda: adopted.unfinished() == 0)


async def test_subclasses_of_vllms_classes(serve: Serve) -> None:
    async with serve(SCRIPTS / "subclasses", MODEL=str(MODEL)) as adopted:
        told = await adopted.invoke({"prompt": "The sun is"})
        assert told["types"] == [True] * 4
        assert told["name"]
        one, other = told["tokens"]
        assert one == other != []


ODD: dict[str, Any] = {
    "nothing": [],
    "too long": "VLLMValidationError: ",
    "lengths": "VLLMValidationError: ",
    "pooling": "ValueError: ",
    "unknown": "TypeError: ",
    "attribute": "AttributeError: ",
    "executor": "AttributeError: ",
    "tokens": [4],
    "each its own": [4, 2],
    "argument": "TypeError: ",
    "sleep": "AdoptionRefused: ",
}


async def test_odd_inputs_get_vllms_own_answers(serve: Serve) -> None:
    async with serve(SCRIPTS / "odd_inputs", MODEL=str(MODEL)) as adopted:
        for asked, expected in ODD.items():
            said = await adopted.invoke({"ask": asked})
            assert said.startswith(expected) if isinstance(expected, str) else said == expected, (asked, said)
        assert adopted.unfinished() == 0


async def test_an_engine_that_the_script_steps(serve: Serve) -> None:
    prompts = ["Hello", "The sun is"]
    async with serve(SCRIPTS / "steps", MODEL=str(MODEL)) as adopted:
        asked = [adopted.invoke({"prompts": order}) for order in (prompts, prompts[::-1])]
        first, second = await asyncio.gather(*asked)
        assert first["empty"] == []
        assert first["tokens"] == second["tokens"][::-1]
        assert all(first["tokens"])


async def test_a_server_that_stops_does_not_wait_for_a_long_answer(serve: Serve) -> None:
    for script in ("long_in_def", "long_in_truss", "long_in_async"):
        async with httpx.AsyncClient(timeout=60) as asking:
            async with serve(SCRIPTS / script, MODEL=str(MODEL), HANDRAIL_DRAIN_S="0.2") as adopted:
                url = f"{adopted.http.base_url}/invocations"
                asked = asyncio.create_task(asking.post(url, json={"prompt": ["Hello"] * 40}))
                await adopted.until(lambda: adopted.unfinished() > 0)
            assert adopted.unfinished() == 0
            assert (await asked).status_code == 503


async def test_a_script_that_builds_in_each_request_leaves_nothing(serve: Serve) -> None:
    async with serve(SCRIPTS / "steps", MODEL=str(MODEL)) as adopted:
        for _ in range(5):
            await adopted.invoke({"prompts": ["Hello"]})
        adoption = adopted.server._startup.adoption
        assert adoption is not None
        assert len(adoption.constructions) == 1
