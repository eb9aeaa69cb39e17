"""The LoRA objects of scripts: the server loads the adapter before the request."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.vllm.adoption.conftest import Adopted
from tests.vllm.adoption.lazily import vllm
from tests.vllm.trained import ARR, PING, PIRATE, user

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

CHAT = [user(PING)]


@pytest.fixture
def adopted(has_both: Adopted) -> Adopted:
    return has_both


def lora(name: str, number: int, path: Path) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(name, number, str(path))


async def said(adopted: Adopted, adapter: Any) -> str:
    sampling = vllm.SamplingParams(temperature=0, max_tokens=64)
    (output,) = await asyncio.to_thread(adopted.module.llm.chat, CHAT, sampling, lora_request=adapter)
    return str(output.outputs[0].text)


async def test_an_adapter_of_a_blocking_call(adopted: Adopted) -> None:
    plain = await said(adopted, None)
    assert await said(adopted, lora("pirate", 1, PIRATE)) == ARR
    assert await said(adopted, None) == plain != ARR


async def test_an_adapter_of_the_asynchronous_engine(adopted: Adopted) -> None:
    """It is one of the server's then."""
    engine = adopted.module.engine
    prompt = engine.get_tokenizer().apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    sampling = vllm.SamplingParams(temperature=0, max_tokens=64)
    outputs = [
        output async for output in engine.generate(prompt, sampling, "0", lora_request=lora("pirate", 9, PIRATE))
    ]
    assert outputs[-1].outputs[0].text == ARR
    assert "pirate" in (await adopted.http.get("/v1/models")).text
    assert (await engine.add_lora(lora("pirate", 9, PIRATE)), await engine.list_loras()) == (True, {9})
    assert (await engine.pin_lora(9), await engine.remove_lora(9), await engine.remove_lora(9)) == (True, True, False)


async def test_one_name_of_two_directories(adopted: Adopted, tmp_path: Path) -> None:
    """Each is its own adapter, although the script numbers both alike."""
    other = shutil.copytree(PIRATE, tmp_path / "other")
    assert await said(adopted, lora("pirate", 1, PIRATE)) == ARR
    assert await said(adopted, lora("pirate", 1, other)) == ARR
    adapters = adopted.server._backend.adapters
    loaded = {str(Path(path).resolve()): name for name, path in adapters.loaded().items()}
    assert loaded.keys() >= {str(PIRATE.resolve()), str(other.resolve())}
    await adapters.unload(loaded[str(other.resolve())])


async def test_many_requests_load_it_once(adopted: Adopted) -> None:
    answers = await asyncio.gather(*(said(adopted, lora("pirate", n, PIRATE)) for n in range(1, 9)))
    assert answers == [ARR] * 8
    assert list(adopted.server._backend.adapters.loaded()) == ["pirate"]


async def test_a_broken_adapter_is_an_answer(adopted: Adopted, tmp_path: Path) -> None:
    """Only of its own request: in vLLM itself it ends the engine."""
    (tmp_path / "adapter_config.json").write_text('{"r": 8}')
    with pytest.raises(ValueError, match="the adapter broken at"):
        await said(adopted, lora("broken", 3, tmp_path))
    assert await said(adopted, lora("pirate", 1, PIRATE)) == ARR
