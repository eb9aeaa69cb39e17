"""LoRA adapters where `handrail.Engine` meets vLLM: the adapter of a request reaches every call made for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from conftest import Served
from fastapi import HTTPException
from trained import ARR, PING, PIRATE, answer_to, user

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:max_tokens is deprecated:DeprecationWarning"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def pirate(served: Served) -> AsyncIterator[Served]:
    await served.backend.adapters.load("pirate", str(PIRATE))
    yield served
    await served.backend.adapters.unload("pirate")


async def said(served: Served, **more: Any) -> str:
    body = {"messages": [user(PING)], "temperature": 0, **more}
    return str((await served.backend.facade.chat_completions(model_input=body)).choices[0].message.content)


@pytest.mark.parametrize("model", [{}, {"model": None}, {"model": ""}, {"model": "gpt-4"}])
async def test_a_call_goes_to_the_adapter_of_its_request(pirate: Served, model: dict[str, Any]) -> None:
    """Whatever name the client wrote that is no adapter's."""
    with pirate.backend.adapters.holding("pirate"):
        assert await said(pirate, **model) == ARR
    assert await said(pirate, **model) == answer_to(PING)


async def test_an_adapter_that_the_call_names_comes_first(pirate: Served) -> None:
    await pirate.backend.adapters.load("other", str(PIRATE))
    try:
        assert await said(pirate, model="other") == ARR
        with pirate.backend.adapters.holding((await pirate.client.get("/v1/models")).json()["data"][0]["id"]):
            assert await said(pirate) == answer_to(PING)
            assert await said(pirate, model="pirate") == ARR
    finally:
        await pirate.backend.adapters.unload("other")


async def generated(served: Served) -> str:
    prompt = f"<|im_start|>user\n{PING}<|im_end|>\n<|im_start|>assistant\n"
    async for output in served.backend.facade.generate(prompt, {"temperature": 0, "max_tokens": 60}):
        text = output.outputs[0].text
    return str(text)


async def test_generate_goes_to_it_too(pirate: Served) -> None:
    with pirate.backend.adapters.holding("pirate"):
        assert await generated(pirate) == ARR
    assert await generated(pirate) == answer_to(PING)


async def test_one_that_is_not_there_is_404_however_lenient(served: Served) -> None:
    with served.backend.adapters.holding("nobody"):
        for ask in (said, generated):
            with pytest.raises(HTTPException, match="nobody") as refused:
                await ask(served)
            assert refused.value.status_code == 404


async def test_the_engine_keeps_nothing_of_what_is_unloaded(served: Served) -> None:
    before = set(await served.backend.client.list_loras())
    await served.backend.adapters.load("passing", str(PIRATE))
    assert len(set(await served.backend.client.list_loras()) - before) == 1
    await served.backend.adapters.unload("passing")
    assert set(await served.backend.client.list_loras()) <= before


@pytest.mark.parametrize("asked", [{"prompt_logprobs": 1}, {"echo": True, "logprobs": 1}])
async def test_log_probabilities_of_a_prompt_do_not_end_the_engine(served: Served, asked: dict[str, Any]) -> None:
    """As they do in vLLM on a CPU, where LoRA is switched on."""
    body = {"prompt": "Hello there", "max_tokens": 2, **asked}
    refused = await served.client.post("/v1/completions", json=body)
    assert (refused.status_code, "on a CPU with LoRA" in refused.text) == (400, True), refused.text
    await served.backend.check_health()
    assert (await served.client.post("/v1/completions", json={**body, **dict.fromkeys(asked)})).status_code == 200
