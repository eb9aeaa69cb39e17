"""Objects and arguments of older versions, as scripts have them at each request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.vllm.adoption.conftest import Adopted
from tests.vllm.adoption.lazily import vllm
from tests.vllm.conftest import MODEL
from tests.vllm.trained import ARR, PING, PIRATE, user

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}


@pytest.mark.parametrize("form", ["one", "list", "lists", "inputs"])
async def test_prompts_by_their_old_names(has_both: Adopted, form: str) -> None:
    llm = has_both.module.llm
    sampling = vllm.SamplingParams(**GREEDY)
    (alone,) = await asyncio.to_thread(llm.generate, "Hello", sampling)
    ids = list(alone.prompt_token_ids)
    given: dict[str, Any] = {
        "one": {"prompt_token_ids": ids, "prompts": None},
        "list": {"prompt_token_ids": [ids]},
        "lists": {"prompt_token_ids": [ids, ids], "prompt_adapter_request": None},
        "inputs": {"inputs": "Hello"},
    }[form]
    outputs = await asyncio.to_thread(lambda: llm.generate(sampling_params=sampling, **given))
    assert [output.outputs[0].text for output in outputs] == [alone.outputs[0].text] * (2 if form == "lists" else 1)


async def test_an_adapters_path_by_its_old_name(has_both: Adopted) -> None:
    from vllm.lora.request import LoRARequest

    adapter = LoRARequest("pirate", 1, lora_local_path=str(PIRATE), long_lora_max_len=None)
    assert isinstance(adapter, LoRARequest)
    assert adapter.lora_path == str(PIRATE)
    sampling = vllm.SamplingParams(temperature=0, max_tokens=64)
    (output,) = await asyncio.to_thread(has_both.module.llm.chat, [user(PING)], sampling, lora_request=adapter)
    assert output.outputs[0].text == ARR


async def test_a_typo_is_vllms_error_with_a_hint(has_both: Adopted) -> None:
    from vllm import LLM

    with pytest.raises(TypeError, match=r"unexpected keyword argument 'max_modle_len'. Did you mean 'max_model_len'\?"):
        LLM(str(MODEL), max_modle_len=256)
