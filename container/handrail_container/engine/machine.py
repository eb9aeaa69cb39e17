"""Checks before loading that this machine has the GPUs, memory and Ray that vLLM's parallel flags need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from handrail_container.engine import ray_cluster
from handrail_container.process import extras

_SHARED_MEMORY = Path("/dev/shm")
#: Docker's default size of shared memory: too little for workers that communicate through it.
_TOO_LITTLE = 64 << 20


@dataclass(frozen=True)
class Parallel:
    """vLLM's flags that set the number of workers and where they run."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    data_here: int | None = None
    nodes: int = 1
    executor: str | None = None
    data_backend: str = "mp"

    @property
    def uses_ray(self) -> bool:
        return "ray" in (self.executor, self.data_backend)

    @property
    def workers_here(self) -> int:
        """Workers on one of the `nodes` machines."""
        data = self.data if self.data_here is None else self.data_here
        return self.tensor * self.pipeline * data // self.nodes

    @property
    def workers_of_one(self) -> int:
        """Workers of one engine on one of the `nodes` machines."""
        return self.tensor * self.pipeline // self.nodes

    @property
    def settings(self) -> str:
        """The sizes that are set, as variables, for a message."""
        sizes = {
            "TENSOR_PARALLEL_SIZE": self.tensor,
            "PIPELINE_PARALLEL_SIZE": self.pipeline,
            "DATA_PARALLEL_SIZE": self.data,
        }
        return " with ".join(f"SM_VLLM_{name}={size}" for name, size in sizes.items() if size > 1)


@dataclass(frozen=True)
class Machine:
    """The machine's resources. `gpus` is None if vLLM runs on the CPU; `numa_nodes` is None if workers are not bound.

    Each worker needs its own GPU. On a CPU, each worker of one engine needs a NUMA node; engines may share nodes."""

    gpus: int | None
    shared_memory: int
    has_ray: bool
    ray_address: str = ""
    numa_nodes: int | None = None


def detect_machine(gpus: int | None, numa_nodes: int | None = None) -> Machine:
    """This machine, with the numbers of GPUs and NUMA nodes that vLLM sees."""
    size = shutil.disk_usage(_SHARED_MEMORY).total if _SHARED_MEMORY.is_dir() else 0
    return Machine(gpus, size, ray_cluster.is_installed(), ray_cluster.address(), numa_nodes)


def problems(parallel: Parallel, machine: Machine) -> Iterator[str]:
    """A sentence for each resource that is missing."""
    if parallel.uses_ray:
        yield from _ray(parallel, machine)
    elif machine.gpus is not None and parallel.workers_here > machine.gpus:
        needs = f"{parallel.settings or 'vLLM'} needs {parallel.workers_here} GPU(s) on this machine"
        yield f"{needs}, and vLLM sees {machine.gpus}: set less, or give the container more (docker run --gpus all)"
    elif machine.numa_nodes is not None and parallel.workers_of_one > machine.numa_nodes:
        yield _too_few_nodes(parallel, machine.numa_nodes)
    if parallel.workers_here > 1 and machine.shared_memory <= _TOO_LITTLE:
        found = f"/dev/shm has {machine.shared_memory >> 20} MiB"
        yield (
            f"{parallel.settings}: its workers speak through shared memory, and {found}: "
            "docker run --shm-size=8g, or --ipc=host"
        )


def _too_few_nodes(parallel: Parallel, nodes: int) -> str:
    workers = parallel.workers_of_one
    there = "is 1" if nodes == 1 else f"are {nodes}"
    cores = "|".join(map(str, range(workers)))
    return (
        f"{replace(parallel, data=1).settings} needs {workers} NUMA nodes on a CPU, one for each worker, and there "
        f"{there}: set less, or bind the workers yourself (VLLM_CPU_OMP_THREADS_BIND={cores})"
    )


def _ray(parallel: Parallel, machine: Machine) -> Iterator[str]:
    setting = "DISTRIBUTED_EXECUTOR_BACKEND" if parallel.executor == "ray" else "DATA_PARALLEL_BACKEND"
    if not machine.has_ray:
        yield f"SM_VLLM_{setting} is 'ray', and Ray is not installed: {extras.command('ray')}"
    if unreachable := ray_cluster.unreachable(machine.ray_address):
        yield f"{unreachable}, and SM_VLLM_{setting}=ray starts a cluster on this machine"
