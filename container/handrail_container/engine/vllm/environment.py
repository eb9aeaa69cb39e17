"""Environment variables that vLLM reads itself. They have no arguments, so they are set before vLLM is imported."""

from __future__ import annotations

import os


def prepare() -> None:
    """Set the variables that the user has not set. Child processes inherit them."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # no usage statistics unless the user asks for them
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # as `vllm serve` does: this process has threads


def compile_nothing() -> None:
    """Switch off torch's compiler, which vLLM would run when a request first needs it. On a CPU this calls a C++
    compiler: the engine blocks meanwhile, and dies if there is no compiler or a path has a space."""
    os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")


def compiles() -> bool:
    return os.environ.get("TORCH_COMPILE_DISABLE") != "1"


def kv_space_set() -> bool:
    return bool(os.environ.get("VLLM_CPU_KVCACHE_SPACE"))


def binds_threads_itself() -> bool:
    """Whether vLLM chooses the cores of its threads because the user has not."""
    return os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "auto") == "auto"


def simulates_nodes() -> bool:
    """Whether vLLM simulates NUMA nodes with groups of cores."""
    return os.environ.get("VLLM_CPU_SIM_MULTI_NUMA", "0") != "0"


def chosen_nodes() -> frozenset[int] | None:
    """The NUMA nodes that vLLM may use; None for all of them."""
    chosen = os.environ.get("CPU_VISIBLE_MEMORY_NODES", "").split(",")
    return frozenset(int(node) for node in chosen if node.strip().isdecimal()) or None
