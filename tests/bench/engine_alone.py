"""AsyncLLM without a server: python engine_alone.py TOKENS ROUNDS AT_A_TIME:REQUESTS... prints a line for each round,
in turn: AT_A_TIME, its tokens a second, and the CPU time of this process for one, in µs. Every token is taken out as it
comes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
            await _round(engine, tokens, at_a_time, requests)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(at_a_time, requests * tokens / took, 1e6 * cpu / (requests * tokens), flush=True)
    engine.shutdown()


async def _round(engine: Any, tokens: int, at_a_time: int, requests: int) -> None:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    how = SamplingParams(max_tokens=tokens, temperature=0, ignore_eos=True, output_kind=RequestOutputKind.DELTA)

    async def one(left: Iterator[int]) -> None:
        for number in left:
            async for _ in engine.generate("user: What does /ping do?", how, f"{time.monotonic_ns()}-{number}"):
                pass

    left = iter(range(requests))
    await asyncio.gather(*(one(left) for _ in range(at_a_time)))


if __name__ == "__main__":
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    import uvloop

    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
