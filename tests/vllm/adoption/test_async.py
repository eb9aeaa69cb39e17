"""vLLM's asynchronous engine over the server's: on the server's loop, and on loops and threads of the script's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from handrail_container.engine.vllm import VllmBackend
from handrail_container.program.adoption.record import AdoptionRefused

from tests.vllm.adoption.conftest import Adopted
from tests.vllm.adoption.lazily import exceptions, vllm
from tests.vllm.conftest import MODEL

pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("adoption"), pytest.mark.asyncio(loop_scope="session")]

GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
ENDLESS: dict[str, Any] = {"max_tokens": 240, "ignore_eos": True}


@pytest.fixture
def adopted(has_both: Adopted) -> Adopted:
    return has_both


@pytest.fixture
def mine(adopted: Adopted) -> Any:
    """The script's object."""
    return adopted.module.engine


def sampling(**given: Any) -> Any:
    return vllm.SamplingParams(**(given or GREEDY))


async def last(outputs: AsyncIterator[Any]) -> Any:
    return [output async for output in outputs][-1]


async def test_it_is_vllms(mine: Any, engine: VllmBackend) -> None:
    assert isinstance(mine, vllm.AsyncLLMEngine)
    assert mine.model_config is engine.client.model_config
    assert (mine.errored, mine.is_running) == (False, True)
    assert await mine.get_supported_tasks() == await engine.client.get_supported_tasks()
    await mine.check_health()


async def test_outputs_are_cumulative_and_named_as_asked(mine: Any) -> None:
    outputs = [output async for output in mine.generate("Hello", sampling(), "mine")]
    assert {output.request_id for output in outputs} == {"mine"}
    texts = [output.outputs[0].text for output in outputs]
    assert texts == sorted(texts, key=len)
    assert (outputs[-1].finished, outputs[-1].prompt) == (True, "Hello")


@pytest.mark.parametrize("given", [{"inputs": "Hello"}, {"prompt_token_ids": None}, {"prompt": {"prompt": "Hello"}}])
async def test_prompts_by_their_old_names(mine: Any, given: dict[str, Any]) -> None:
    if "prompt_token_ids" in given:
        given = {"prompt_token_ids": mine.get_tokenizer().encode("Hello")}
    found = await last(mine.generate(sampling_params=sampling(), request_id="0", **given))
    assert found.outputs[0].text == (await last(mine.generate("Hello", sampling(), "0"))).outputs[0].text


async def test_ids_may_be_given_twice(mine: Any) -> None:
    """Each has its own answers."""
    prompts = [f"{n} and" for n in range(6)]
    alone = [(await last(mine.generate(prompt, sampling(), "0"))).outputs[0].text for prompt in prompts]
    together = await asyncio.gather(*(last(mine.generate(prompt, sampling(), "0")) for prompt in prompts))
    assert [output.outputs[0].text for output in together] == alone


async def test_on_a_loop_of_its_own(mine: Any, adopted: Adopted) -> None:
    """`asyncio.run` in a thread, again and again, which vLLM's own does not stand."""
    expected = (await last(mine.generate("Hello", sampling(), "0"))).outputs[0].text

    async def elsewhere() -> str:
        await mine.check_health()
        return str((await last(mine.generate("Hello", sampling(), "0"))).outputs[0].text)

    for _ in range(3):
        assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == expected


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_what_is_left_is_aborted(mine: Any, adopted: Adopted, is_elsewhere: bool) -> None:
    async def leave() -> None:
        outputs = mine.generate("Hello", sampling(**ENDLESS), "0")
        async for _ in outputs:
            break
        await outputs.aclose()

    await (asyncio.to_thread(lambda: asyncio.run(leave())) if is_elsewhere else leave())
    assert await adopted.settled() == 0


async def test_what_nobody_holds_is_aborted(mine: Any, adopted: Adopted) -> None:
    outputs = mine.generate("Hello", sampling(**ENDLESS), "0")
    await anext(outputs)
    del outputs
    gc.collect()
    assert await adopted.settled() == 0


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_cancelled_task_aborts(mine: Any, adopted: Adopted, is_elsewhere: bool) -> None:
    async def cancelled() -> None:
        running = asyncio.create_task(last(mine.generate("Hello", sampling(**ENDLESS), "0")))
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.wait({running})

    await (asyncio.to_thread(lambda: asyncio.run(cancelled())) if is_elsewhere else cancelled())
    assert await adopted.settled() == 0


async def test_abort_reaches_only_its_own(mine: Any, adopted: Adopted, engine: VllmBackend) -> None:
    theirs = asyncio.create_task(last(engine.client.generate("Hello", sampling(max_tokens=60, ignore_eos=True), "one")))
    ours = asyncio.create_task(last(mine.generate("Hello", sampling(**ENDLESS), "one")))
    await asyncio.sleep(0.1)
    await mine.abort("one")
    assert (await ours).outputs[0].finish_reason == "abort"
    assert (await theirs).outputs[0].finish_reason == "length"
    await mine.abort("one")
    await mine.abort(["unknown"])


async def test_a_request_starts_with_its_first_output(mine: Any, adopted: Adopted) -> None:
    outputs = mine.generate("Hello", sampling(), "0")
    await asyncio.sleep(0.05)
    assert adopted.unfinished() == 0
    await last(outputs)


async def test_added_requests_can_be_awaited_and_iterated(mine: Any) -> None:
    stream = await mine.add_request("0", "Hello", sampling())
    assert (await last(stream)).finished
    assert (await last(mine.add_request("0", "Hello", sampling()))).finished


async def test_errors_are_vllms(mine: Any) -> None:
    with pytest.raises(exceptions.VLLMValidationError, match="maximum context length"):
        await last(mine.generate("word " * 2000, sampling(), "0"))
    with pytest.raises(TypeError, match="missing required arguments: request_id"):
        mine.generate("Hello", sampling())
    with pytest.raises(TypeError):
        await mine.generate("Hello", sampling(), "0")


async def test_what_was_awaited_in_older_versions(mine: Any, engine: VllmBackend) -> None:
    tokenizer = await mine.get_tokenizer()
    assert tokenizer.encode("Hello") == mine.get_tokenizer().encode("Hello")
    tokenizer.chat_template = "mine"
    assert engine.client.get_tokenizer().chat_template != "mine"
    assert (await mine.get_model_config()).max_model_len == mine.model_config.max_model_len
    assert await mine.get_vllm_config() is engine.client.vllm_config
    assert await mine.get_lora_config() is engine.client.vllm_config.lora_config
    assert (await mine.get_decoding_config()).backend
    with pytest.raises(AdoptionRefused, match="the server's engine logs and counts"):
        mine.add_logger("mine", print)
    mine.start_background_loop()
    inner = mine.engine
    assert inner.get_model_config() is mine.model_config is inner.model_config
    assert inner.tokenizer.tokenizer.encode("Hello") == tokenizer.encode("Hello")
    assert inner.get_tokenizer()("Hello").input_ids == tokenizer.encode("Hello")


@pytest.mark.parametrize("method", ["sleep", "wake_up", "start_profile", "collective_rpc", "pause_generation"])
async def test_what_would_change_the_engine_is_refused(mine: Any, method: str) -> None:
    with pytest.raises(AdoptionRefused, match=rf"test_async.py:\d+ {method}\(\) stops or changes the engine"):
        await getattr(mine, method)("x")


async def test_it_can_be_given_up(adopted: Adopted) -> None:
    """The engine, and other objects over it, go on."""
    args = vllm.AsyncEngineArgs(model=str(MODEL), max_model_len=256, enable_lora=True)
    engine = vllm.AsyncLLMEngine.from_engine_args(args)
    assert (await last(engine.generate("Hello", sampling(), "0"))).finished
    engine.shutdown()
    with pytest.raises(AdoptionRefused, match=r"the engine was given up at .*test_async.py:\d+"):
        engine.generate("Hello", sampling(), "0")
    del engine
    gc.collect()
    assert await adopted.invoke({"prompt": "Hello"})


async def test_engines_that_differ(adopted: Adopted) -> None:
    args = vllm.AsyncEngineArgs(model=str(MODEL), max_model_len=256, enable_lora=True)
    args.gpu_memory_utilization = 0.5
    args.max_num_seqs = 7
    assert vllm.AsyncLLMEngine.from_engine_args(args)  # of speed only
    with pytest.raises(AdoptionRefused, match=r'asks for "org/other", and this server\'s engine is'):
        vllm.AsyncLLMEngine.from_engine_args(vllm.AsyncEngineArgs(model="org/other"))
    args.max_model_len = 100_000
    with pytest.raises(AdoptionRefused, match="wants max_model_len=100000, and the engine already runs with 512"):
        vllm.AsyncLLMEngine.from_engine_args(args)
    with pytest.raises(AdoptionRefused, match="starts an engine from its parts"):
        vllm.AsyncLLMEngine(None, None, False)
    with pytest.raises(AdoptionRefused, match="stat_loggers: the server's engine logs and counts"):
        vllm.AsyncLLMEngine.from_engine_args(args, stat_loggers=[print])


async def test_vllms_serving_classes_over_it(mine: Any, adopted: Adopted) -> None:
    """As scripts build them, which have routes of their own."""
    from vllm.entrypoints.openai.models.protocol import BaseModelPath
    from vllm.entrypoints.openai.models.serving import OpenAIServingModels

    paths = [BaseModelPath(name="mine", model_path=str(MODEL))]
    models = OpenAIServingModels(engine_client=mine, base_model_paths=paths)
    assert (await models.show_available_models()).data[0].id == "mine"
