"""Variables that vLLM reads itself. There is no argument for these, so they are set before it is imported."""

from __future__ import annotations

import os


def prepare() -> None:
    """Set what the user has not set. Children inherit it."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # nothing is sent anywhere unless asked for
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # as `vllm serve` does: this process has threads


def kv_space_set() -> bool:
    return bool(os.environ.get("VLLM_CPU_KVCACHE_SPACE"))


def binds_threads_itself() -> bool:
    """Whether vLLM chooses the cores of its threads: the user has not."""
    return os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto") == "auto"
