"""AsyncLLM without a server: python engine_alone.py TOKENS ROUNDS AT_A_TIME:REQUESTS... prints a line of JSON for each
round, in turn: `at_a_time`, `tokens_a_second`, this process's CPU time for a token in `cpu_us` and resident memory in
`rss_mb`, and `first_s`, the seconds of each request to its first token. Every token is taken out as it comes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

MODEL = Path(__file__).parents[2] / "examples" / "model"
#: As many are asked for before anything is counted.
_WARM_UP = 16


async def _main(tokens: int, rounds: int, *loads: str) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    given = {"enforce_eager": True, "dtype": "float32", "max_num_seqs": 256, "distributed_executor_backend": "mp"}
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(model=str(MODEL), max_model_len=1024, **given))
    await _round(engine, tokens, _WARM_UP, _WARM_UP)
    for _ in range(rounds):
        for load in loads:
            at_a_time, requests = map(int, load.split(":"))
            began, cpu = time.perf_counter(), time.process_time()
            firsts = await _round(engine, tokens, at_a_time, requests)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            count = requests * tokens
            said = {"tokens_a_second": count / took, "cpu_us": 1e6 * cpu / count, "first_s": firsts}
            rss_mb = psutil.Process().memory_info().rss / 1e6
            print(json.dumps({"at_a_time": at_a_time, "rss_mb": rss_mb, **said}), flush=True)
    engine.shutdown()


async def _round(engine: Any, tokens: int, at_a_time: int, requests: int) -> list[float]:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    how = SamplingParams(max_tokens=tokens, temperature=0, ignore_eos=True, output_kind=RequestOutputKind.DELTA)

    async def one(left: Iterator[int]) -> None:
        for number in left:
            asked, first = time.perf_counter(), 0.0
            async for _ in engine.generate("user: What does /ping do?", how, f"{time.monotonic_ns()}-{number}"):
                first = first or time.perf_counter() - asked
            firsts.append(first)

    firsts: list[float] = []
    left = iter(range(requests))
    await asyncio.gather(*(one(left) for _ in range(at_a_time)))
    return firsts


if __name__ == "__main__":
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    import uvloop

    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
