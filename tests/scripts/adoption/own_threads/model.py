"""Uses `LLM` from threads of its own, and from a task that batches the requests of all handlers."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from handrail import custom_invocation_handler, on_shutdown, on_startup
from vllm import LLM, SamplingParams

llm = LLM(os.environ["MODEL"], dtype="float32", max_model_len=256)
pool = ThreadPoolExecutor(3)
queue = asyncio.Queue()
batching = []


def complete(prompts):
    outputs = llm.generate(prompts, SamplingParams(max_tokens=12, temperature=0))
    return [list(output.outputs[0].token_ids) for output in outputs]


async def batch():
    while True:
        waiting = [await queue.get()]
        await asyncio.sleep(0.01)
        while not queue.empty():
            waiting.append(queue.get_nowait())
        answers = await asyncio.to_thread(complete, [prompt for prompt, _ in waiting])
        for (_, future), answer in zip(waiting, answers, strict=True):
            future.set_result(answer)


@on_startup
async def begin():
    batching.append(asyncio.create_task(batch()))


@on_shutdown
async def end():
    batching[0].cancel()
    pool.shutdown()


@custom_invocation_handler
async def answer(body: dict):
    prompts = body["prompts"]
    if body["by"] == "batch":
        futures = [asyncio.get_running_loop().create_future() for _ in prompts]
        for pair in zip(prompts, futures, strict=True):
            queue.put_nowait(pair)
        return await asyncio.gather(*futures)
    return await asyncio.to_thread(in_threads, body["by"], prompts)


def in_threads(by, prompts):
    if by == "pool":
        return [tokens for [tokens] in pool.map(complete, prompts)]
    if by == "loop":
        return asyncio.run(on_a_loop(prompts))
    answers = {}
    threads = [threading.Thread(target=lambda one=one: answers.update({one: complete(one)[0]})) for one in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[prompt] for prompt in prompts]


async def on_a_loop(prompts):
    return complete(prompts)
