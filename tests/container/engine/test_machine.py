"""What vLLM's scale-up asks of a machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from handrail_container.engine import machine
from handrail_container.engine.machine import Machine, Parallel
from handrail_container.process import extras

AMPLE = Machine(gpus=8, shared_memory=8 << 30, has_ray=True)


def problems(parallel: Parallel, there: Machine = AMPLE) -> list[str]:
    return list(machine.problems(parallel, there))


@pytest.mark.parametrize(
    "parallel",
    [Parallel(), Parallel(tensor=8), Parallel(tensor=2, pipeline=2, data=2), Parallel(tensor=16, nodes=2)],
)
def test_what_fits_is_no_problem(parallel: Parallel) -> None:
    assert problems(parallel) == []


def test_too_few_gpus_name_the_settings() -> None:
    (problem,) = problems(Parallel(tensor=4, data=4))
    assert problem.startswith("SM_VLLM_TENSOR_PARALLEL_SIZE=4 with SM_VLLM_DATA_PARALLEL_SIZE=4 needs 16 GPU(s)")
    assert "vLLM sees 8" in problem


def test_only_the_workers_of_this_machine_count() -> None:
    assert problems(Parallel(tensor=4, data=4, data_here=2)) == []


def test_no_gpu_at_all_is_too_few() -> None:
    (problem,) = problems(Parallel(), Machine(gpus=0, shared_memory=8 << 30, has_ray=True))
    assert problem.startswith("vLLM needs 1 GPU(s)")


def test_on_a_cpu_no_gpus_are_counted() -> None:
    assert problems(Parallel(data=2), Machine(gpus=None, shared_memory=8 << 30, has_ray=False)) == []


@pytest.mark.parametrize(
    ("parallel", "nodes", "says"),
    [
        (
            Parallel(tensor=2),
            1,
            "SM_VLLM_TENSOR_PARALLEL_SIZE=2 needs 2 NUMA nodes on a CPU, one for each worker, and "
            "there is 1: set less, or bind the workers yourself (VLLM_CPU_OMP_THREADS_BIND=0|1)",
        ),
        (
            Parallel(tensor=2, pipeline=2, data=2),
            2,
            "SM_VLLM_TENSOR_PARALLEL_SIZE=2 with "
            "SM_VLLM_PIPELINE_PARALLEL_SIZE=2 needs 4 NUMA nodes on a CPU, one for each worker, and there are 2: "
            "set less, or bind the workers yourself (VLLM_CPU_OMP_THREADS_BIND=0|1|2|3)",
        ),
    ],
)
def test_on_a_cpu_each_worker_of_an_engine_needs_a_node(parallel: Parallel, nodes: int, says: str) -> None:
    there = Machine(gpus=None, shared_memory=8 << 30, has_ray=False, numa_nodes=nodes)
    assert problems(parallel, there) == [says]


@pytest.mark.parametrize(
    ("parallel", "nodes"),
    [
        (Parallel(data=2), 1),
        (Parallel(tensor=2), 2),
        (Parallel(tensor=2, data=2), 2),
        (Parallel(tensor=2, nodes=2), 1),
        (Parallel(tensor=2, executor="ray"), 1),
        (Parallel(tensor=2), None),
    ],
)
def test_engines_share_the_nodes(parallel: Parallel, nodes: int | None) -> None:
    there = Machine(gpus=None, shared_memory=8 << 30, has_ray=True, numa_nodes=nodes)
    assert problems(parallel, there) == []


def test_the_shared_memory_of_a_plain_container_is_too_little_for_several() -> None:
    there = Machine(gpus=2, shared_memory=64 << 20, has_ray=False)
    (problem,) = problems(Parallel(tensor=2), there)
    assert problem.startswith("SM_VLLM_TENSOR_PARALLEL_SIZE=2")
    assert "64 MiB" in problem
    assert "--shm-size" in problem
    assert problems(Parallel(), there) == []


@pytest.mark.parametrize(
    ("parallel", "setting"),
    [
        (Parallel(executor="ray"), "SM_VLLM_DISTRIBUTED_EXECUTOR_BACKEND"),
        (Parallel(data_backend="ray"), "SM_VLLM_DATA_PARALLEL_BACKEND"),
    ],
)
def test_without_ray_its_executor_is_refused(parallel: Parallel, setting: str) -> None:
    (problem,) = problems(parallel, Machine(gpus=0, shared_memory=8 << 30, has_ray=False))
    assert problem == f"{setting} is 'ray', and Ray is not installed: {extras.command('ray')}"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "//127.0.0.1:1"])
def test_a_cluster_that_does_not_answer_is_said(address: str) -> None:
    (problem,) = problems(Parallel(tensor=64, executor="ray"), Machine(8, 8 << 30, True, address))
    assert problem.startswith(f"RAY_ADDRESS is {address!r}, and no cluster answers there")


@pytest.mark.parametrize("address", ["127.0.0.1:nonsense", "127.0.0.1:65536", "[::1"])
def test_a_port_that_is_none_is_said(address: str) -> None:
    (problem,) = problems(Parallel(tensor=64, executor="ray"), Machine(8, 8 << 30, True, address))
    said = "whose port is no number up to 65535: write the head's host:port"
    assert problem.startswith(f"RAY_ADDRESS is {address!r}, {said}")


@pytest.mark.parametrize("address", ["", "auto", "local", "ray://127.0.0.1:1"])
def test_an_address_that_is_none_is_not_asked(address: str) -> None:
    assert problems(Parallel(executor="ray"), Machine(8, 8 << 30, True, address)) == []


def test_a_cluster_that_answers_has_gpus_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        assert problems(Parallel(tensor=64, executor="ray"), Machine(8, 8 << 30, True, address)) == []


def test_this_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    there = machine.detect_machine(3)
    assert (there.gpus, there.ray_address) == (3, "head:6379")
    assert there.shared_memory > 0
    monkeypatch.setattr(machine, "_SHARED_MEMORY", tmp_path / "none")
    assert machine.detect_machine(None).shared_memory == 0
