"""vLLM's `LLM` over the server's engine: its methods give what they give on an engine of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from handrail_container.engine.vllm import VllmBackend
from handrail_container.program.adoption.record import AdoptionRefused

from tests.vllm.adoption.conftest import Adopted
from tests.vllm.adoption.lazily import exceptions, sampling_params, vllm
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
CHAT = [{"role": "user", "content": "What does /ping do?"}]


@pytest.fixture
def adopted(has_both: Adopted) -> Adopted:
    return has_both


@pytest.fixture
def llm(adopted: Adopted) -> Any:
    return adopted.module.llm


def texts(outputs: list[Any]) -> list[str]:
    return [output.outputs[0].text for output in outputs]


async def test_it_is_vllms(llm: Any, engine: VllmBackend) -> None:
    assert isinstance(llm, vllm.LLM)
    assert type(llm) is vllm.LLM
    assert llm.model_config is engine.client.model_config
    assert isinstance(llm.llm_engine, vllm.LLMEngine)


async def test_a_prompt_of_any_form(llm: Any) -> None:
    """A text, a list of texts, tokens, and dicts: results are in the order of the prompts, and have their text."""
    sampling = vllm.SamplingParams(**GREEDY)
    (alone,) = await asyncio.to_thread(llm.generate, "Hello", sampling)
    assert (alone.prompt, alone.finished, alone.outputs[0].finish_reason) == ("Hello", True, "length")
    assert len(alone.outputs[0].token_ids) == 8
    tokens = {"prompt_token_ids": alone.prompt_token_ids}
    many = await asyncio.to_thread(llm.generate, ["One two", {"prompt": "Hello"}, tokens], sampling)
    assert texts(many)[1:] == [alone.outputs[0].text] * 2
    assert [output.request_id for output in many] == sorted((o.request_id for o in many), key=int)


async def test_parameters_for_each_prompt(llm: Any) -> None:
    params = [vllm.SamplingParams(temperature=0, max_tokens=n) for n in (3, 5)]
    outputs = await asyncio.to_thread(llm.generate, ["Hello", "Hello"], params)
    assert [len(output.outputs[0].token_ids) for output in outputs] == [3, 5]
    with pytest.raises(exceptions.VLLMValidationError, match=r"lengths of prompts \(1\)"):
        await asyncio.to_thread(llm.generate, ["Hello"], params)


async def test_without_parameters_vllms_defaults_hold(llm: Any) -> None:
    """16 tokens at most, and what the model's `generation_config` says; each call gives an object of its own."""
    (output,) = await asyncio.to_thread(llm.generate, "Hello")
    assert len(output.outputs[0].token_ids) <= 16
    first, second = llm.get_default_sampling_params(), llm.get_default_sampling_params()
    assert first is not second
    assert first.temperature == pytest.approx(0.1)


async def test_the_callers_objects_stay_as_they_are(llm: Any) -> None:
    sampling = vllm.SamplingParams(**GREEDY, output_kind=sampling_params.RequestOutputKind.DELTA)
    await asyncio.to_thread(llm.generate, ["Hello"] * 2, sampling)
    assert sampling.output_kind is sampling_params.RequestOutputKind.DELTA


async def test_several_answers_and_probabilities(llm: Any) -> None:
    sampling = vllm.SamplingParams(temperature=1, seed=3, n=3, max_tokens=4, logprobs=2)
    (output,) = await asyncio.to_thread(llm.generate, "Hello there", sampling)
    assert [answer.index for answer in output.outputs] == [0, 1, 2]
    assert all(len(answer.logprobs) == 4 for answer in output.outputs)


async def test_chat(llm: Any, adopted: Adopted) -> None:
    sampling = vllm.SamplingParams(**GREEDY)
    (alone,) = await asyncio.to_thread(llm.chat, CHAT, sampling)
    both = await asyncio.to_thread(llm.chat, [CHAT, CHAT], sampling)
    assert texts(both) == texts([alone]) * 2
    body = {"model": str(MODEL), "messages": CHAT, "temperature": 0, "max_completion_tokens": 8}
    server = await adopted.invoke(body, "/v1/chat/completions")
    assert server["choices"][0]["message"]["content"] == alone.outputs[0].text
    template = "{{ messages[0].content }}"
    (other,) = await asyncio.to_thread(llm.chat, CHAT, sampling, chat_template=template)
    assert other.prompt == CHAT[0]["content"]


async def test_beam_search(llm: Any) -> None:
    (output,) = await asyncio.to_thread(
        llm.beam_search, [{"prompt": "Hello"}], sampling_params.BeamSearchParams(beam_width=2, max_tokens=4)
    )
    assert len(output.sequences) == 2


async def test_structured_outputs(llm: Any) -> None:
    sampling = vllm.SamplingParams(
        **GREEDY, structured_outputs=sampling_params.StructuredOutputsParams(choice=["yes", "no"])
    )
    (output,) = await asyncio.to_thread(llm.generate, "Hello", sampling)
    assert output.outputs[0].text in ("yes", "no")


async def test_old_parameters(llm: Any) -> None:
    """As scripts for vLLM 0.4 have them."""
    from vllm import SamplingParams

    sampling = SamplingParams(**GREEDY, use_beam_search=False, best_of=1, truncate_prompt_tokens=2)
    (output,) = await asyncio.to_thread(llm.generate, "One two three four five", sampling)
    assert len(output.prompt_token_ids) == 2


async def test_pooling_is_vllms_own_error_on_a_generating_model(llm: Any) -> None:
    for method in (llm.embed, llm.classify):
        with pytest.raises(ValueError, match=r"not supported|only supported"):
            await asyncio.to_thread(method, ["Hello"])


async def test_errors_are_vllms_and_end_the_other_requests(llm: Any, adopted: Adopted) -> None:
    sampling = vllm.SamplingParams(max_tokens=200, ignore_eos=True)
    with pytest.raises(exceptions.VLLMValidationError, match="maximum context length"):
        await asyncio.to_thread(llm.generate, ["Hello", "word " * 2000], sampling)
    assert await adopted.settled() == 0
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        await asyncio.to_thread(llm.generate, "Hello", nonsense=1)


async def test_many_threads_at_once(llm: Any) -> None:
    """Which vLLM's own object does not stand: each call has its own answers."""
    sampling = vllm.SamplingParams(**GREEDY)
    prompts = [[f"{n} and", f"the {n}"] for n in range(24)]
    alone = [texts(await asyncio.to_thread(llm.generate, one, sampling)) for one in prompts]
    together = await asyncio.gather(*(asyncio.to_thread(llm.generate, one, sampling) for one in prompts))
    assert [texts(outputs) for outputs in together] == alone


async def test_the_loop_of_the_server_is_not_blocked(llm: Any) -> None:
    with pytest.raises(AdoptionRefused, match=r"test_llm.py:\d+ waits for the engine in an `async def`"):
        llm.generate("Hello")


async def test_queued_requests(llm: Any) -> None:
    def queued() -> list[Any]:
        ids = llm.enqueue(["Hello", "One two"], vllm.SamplingParams(**GREEDY))
        assert len(ids) == 2
        return llm.wait_for_completion()

    outputs = await asyncio.to_thread(queued)
    assert len(outputs) == 2


async def test_bars_are_drawn_only_where_they_are_asked_for(llm: Any, capfd: pytest.CaptureFixture[str]) -> None:
    sampling = vllm.SamplingParams(**GREEDY)
    await asyncio.to_thread(llm.generate, "Hello", sampling)
    assert "Processed prompts" not in capfd.readouterr().err
    await asyncio.to_thread(llm.generate, "Hello", sampling, use_tqdm=True)
    assert "Processed prompts" in capfd.readouterr().err


async def test_a_tokenizer_of_its_own(llm: Any, engine: VllmBackend) -> None:
    tokenizer = llm.get_tokenizer()
    assert tokenizer.encode("Hello") == engine.client.get_tokenizer().encode("Hello")
    tokenizer.chat_template = "mine"
    assert engine.client.get_tokenizer().chat_template != "mine"
    assert llm.llm_engine.tokenizer is tokenizer


@pytest.mark.parametrize("method", ["sleep", "wake_up", "start_profile", "collective_rpc", "apply_model"])
async def test_what_would_change_the_engine_is_refused(llm: Any, method: str) -> None:
    said = rf"test_llm.py:\d+ {method}\(\) stops or changes the engine for everybody"
    with pytest.raises(AdoptionRefused, match=said):
        getattr(llm, method)("x")


async def test_the_prefix_cache_is_emptied_while_nobody_else_runs(llm: Any) -> None:
    assert await asyncio.to_thread(llm.reset_prefix_cache) is True


async def test_an_adapter_that_cannot_be_loaded_is_an_answer(llm: Any, adopted: Adopted) -> None:
    """It would end vLLM's engine."""
    from vllm.lora.request import LoRARequest

    with pytest.raises(ValueError, match=r"test_llm.py:\d+ the adapter sql at /no/such: there is no"):
        await asyncio.to_thread(lambda: llm.generate("Hello", lora_request=LoRARequest("sql", 1, "/no/such")))
    assert await adopted.invoke({"prompt": "Hello"})


async def test_in_steps(adopted: Adopted) -> None:
    """`LLMEngine`, by its requests and steps."""
    stepped = adopted.module.stepped

    def run() -> dict[str, str]:
        for n in range(3):
            stepped.add_request(str(n), f"{n} and", vllm.SamplingParams(**GREEDY))
        found = {}
        while stepped.has_unfinished_requests():
            found.update({o.request_id: o.outputs[0].text for o in stepped.step() if o.finished})
        return found

    found = await asyncio.to_thread(run)
    assert found.keys() == {"0", "1", "2"}
    assert stepped.get_num_unfinished_requests() == 0


async def test_a_request_in_steps_is_tokenized_as_asked(adopted: Adopted) -> None:
    def run() -> Any:
        given = {"tokenization_kwargs": {"truncate_prompt_tokens": 2}}
        adopted.module.stepped.add_request("0", "One two three four", vllm.SamplingParams(**GREEDY), **given)
        return [output for output in iter(adopted.module.stepped.step, []) for output in output][-1]

    assert len((await asyncio.to_thread(run)).prompt_token_ids) == 2


async def test_a_request_in_steps_is_aborted(adopted: Adopted) -> None:
    stepped = adopted.module.stepped

    def run() -> None:
        stepped.add_request("one", "Hello", vllm.SamplingParams(max_tokens=200, ignore_eos=True))
        stepped.step()
        stepped.abort_request(["one"])

    await asyncio.to_thread(run)
    assert not stepped.has_unfinished_requests()


async def test_threads_of_the_script(llm: Any) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(llm.generate("Hello", vllm.SamplingParams(**GREEDY))))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(found) == 1
