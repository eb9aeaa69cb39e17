"""Variables that vLLM reads itself. There is no argument for these, so they are set before it is imported."""

from __future__ import annotations

import os


def prepare() -> None:
    """Set what the user has not set. Children inherit it."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # nothing is sent anywhere unless asked for
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # as `vllm serve` does: this process has threads


def compile_nothing() -> None:
    """Have torch run as it is written what vLLM would have it compile when a request first needs it. On a CPU that is a
    C++ compiler's work: the engine stands still for as long, and dies where there is none, or a path has a space."""
    os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")


def compiles() -> bool:
    return os.environ.get("TORCH_COMPILE_DISABLE") != "1"


def kv_space_set() -> bool:
    return bool(os.environ.get("VLLM_CPU_KVCACHE_SPACE"))


def binds_threads_itself() -> bool:
    """Whether vLLM chooses the cores of its threads: the user has not."""
    return os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto") == "auto"


def simulates_nodes() -> bool:
    """Whether vLLM takes cores for NUMA nodes."""
    return os.environ.get("VLLM_CPU_SIM_MULTI_NUMA", "0") != "0"


def chosen_nodes() -> frozenset[int] | None:
    """The NUMA nodes that vLLM may use; None for all of them."""
    chosen = os.environ.get("CPU_VISIBLE_MEMORY_NODES", "").split(",")
    return frozenset(int(node) for node in chosen if node.strip().isdecimal()) or None
