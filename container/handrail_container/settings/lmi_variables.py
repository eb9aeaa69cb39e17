"""The variables of the environment that AWS's LMI container reads, beside those that are settings here."""

from __future__ import annotations

from collections.abc import Iterable

OPTION = "OPTION_"
SERVER = "SERVING_"
PREFIXES = (OPTION, SERVER)
#: Variables that stand for an option, and it. The first that is set counts.
ALWAYS = {
    "TENSOR_PARALLEL_DEGREE": "option.tensor_parallel_degree",
    "PIPELINE_PARALLEL_DEGREE": "option.pipeline_parallel_degree",
    "HF_REVISION": "option.revision",
    "HF_MODEL_TRUST_REMOTE_CODE": "option.trust_remote_code",
    "HF_TRUST_REMOTE_CODE": "option.trust_remote_code",
    "HF_MODEL_QUANTIZE": "option.quantize",
    "SM_NUM_GPUS": "option.tensor_parallel_degree",
}
#: The same, of names that other programs may have too: read where something else is LMI's.
BESIDE_OTHERS = {
    "MAX_BATCH_SIZE": "option.max_rolling_batch_size",
    "MAX_BATCH_PREFILL_TOKENS": "option.max_rolling_batch_prefill_tokens",
    "MAX_CONCURRENT_REQUESTS": "job_queue_size",
    "CUDA_MEMORY_FRACTION": "option.gpu_memory_utilization",
    "ENABLE_CUDA_GRAPHS": "enable_cuda_graphs",
}


def is_lmis(name: str) -> bool:
    return name.startswith(PREFIXES) or name in ALWAYS or name in BESIDE_OTHERS


def say_lmi(names: Iterable[str]) -> bool:
    """Whether one of the variables is LMI's without a doubt."""
    return any(name.startswith(PREFIXES) or name in ("TENSOR_PARALLEL_DEGREE",) for name in names)
