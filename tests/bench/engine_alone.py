"""AsyncLLM without a server: python engine_alone.py AT_A_TIME REQUESTS TOKENS prints its tokens a second, every token
taken out as it comes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[2] / "examples" / "model"


async def _main(at_a_time: int, requests: int, tokens: int) -> float:
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    given = {"enforce_eager": True, "dtype": "float32", "max_num_seqs": 256, "distributed_executor_backend": "mp"}
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(model=str(MODEL), max_model_len=1024, **given))
    how = SamplingParams(max_tokens=tokens, temperature=0, ignore_eos=True, output_kind=RequestOutputKind.DELTA)

    async def one(left: Any) -> None:
        for number in left:
            async for _ in engine.generate("user: What does /ping do?", how, str(number)):
                pass

    await one(iter(range(-3, 0)))
    began = time.perf_counter()
    left = iter(range(requests))
    await asyncio.gather(*(one(left) for _ in range(at_a_time)))
    took = time.perf_counter() - began
    engine.shutdown()
    return requests * tokens / took


if __name__ == "__main__":
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    import uvloop

    print(uvloop.run(_main(*map(int, sys.argv[1:]))))
