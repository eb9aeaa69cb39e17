"""Plain vLLM, in a process of its own: oracle.py MODEL PROMPTS. The token ids of each prompt, as JSON."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    from vllm import LLM, SamplingParams

    model, prompts = sys.argv[1], json.loads(sys.argv[2])
    llm = LLM(model=model, dtype="float32", max_model_len=256, kv_cache_memory_bytes=1 << 28)
    outputs = llm.generate(prompts, SamplingParams(max_tokens=12, temperature=0), use_tqdm=False)
    print("TOKENS", json.dumps([list(output.outputs[0].token_ids) for output in outputs]))
