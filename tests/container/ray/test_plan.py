"""What Ray Serve is told, by the settings."""

from __future__ import annotations

from typing import Any

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.ray.plan import missing_resources, options
from handrail_container.settings import environment


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    def tell(gpus_there: float = 0, **variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return options(environment.read(), gpus_there)

    return tell


def test_replicas_are_a_number(told: Any) -> None:
    assert told()["num_replicas"] == 1
    assert told(HANDRAIL_RAY_REPLICAS="3")["num_replicas"] == 3


def test_or_between_two(told: Any) -> None:
    given = told(HANDRAIL_RAY_MAX_REPLICAS="4", HANDRAIL_RAY_TARGET_ONGOING_REQUESTS="8")
    assert given["num_replicas"] is None
    assert given["autoscaling_config"] == {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 8}


def test_gpus_are_those_of_vllms_flags(told: Any) -> None:
    flags = {"SM_VLLM_TENSOR_PARALLEL_SIZE": "2", "SM_VLLM_PIPELINE_PARALLEL_SIZE": "2"}
    assert told(8, **flags)["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 4}


@pytest.mark.parametrize(("there", "engine", "gpus"), [(8, "echo", 0), (0, "vllm", 0), (8, "vllm", 1)])
def test_without_vllm_or_without_gpus_there_are_none(told: Any, there: float, engine: str, gpus: float) -> None:
    assert told(there, HANDRAIL_ENGINE=engine)["ray_actor_options"]["num_gpus"] == gpus


def test_the_operators_word_comes_first(told: Any) -> None:
    assert told(8, HANDRAIL_RAY_GPUS="0.5", HANDRAIL_RAY_CPUS="4")["ray_actor_options"] == {
        "num_cpus": 4,
        "num_gpus": 0.5,
    }


def test_rays_executor_gets_a_place_for_each_worker(told: Any) -> None:
    flags = {"SM_VLLM_TENSOR_PARALLEL_SIZE": "2", "SM_VLLM_DISTRIBUTED_EXECUTOR_BACKEND": "ray"}
    given = told(8, **flags)
    assert given["placement_group_bundles"] == [{"CPU": 1}, {"CPU": 1, "GPU": 1}, {"CPU": 1, "GPU": 1}]
    assert given["ray_actor_options"] == {"num_cpus": 1}
    assert told(0)["placement_group_bundles"] == [{"CPU": 1}] * 3


@pytest.mark.parametrize("size", ["0", "two", "-1"])
def test_a_size_that_is_none_is_refused(told: Any, size: str) -> None:
    with pytest.raises(SettingsError, match="SM_VLLM_TENSOR_PARALLEL_SIZE is '" + size):
        told(8, SM_VLLM_TENSOR_PARALLEL_SIZE=size)


def test_a_replica_itself_says_who_waits(told: Any) -> None:
    given = told(HANDRAIL_MAX_CONCURRENCY="8", HANDRAIL_MAX_QUEUE="2", HANDRAIL_DRAIN_S="5", HANDRAIL_STALL_S="9")
    assert given["max_ongoing_requests"] > 2 * (8 + 2)
    assert given["graceful_shutdown_timeout_s"] > 5
    assert given["health_check_timeout_s"] == 9


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Any:
    def lack(there: dict[str, float], **variables: str) -> list[str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return missing_resources(environment.read(), there)

    return lack


@pytest.mark.parametrize(
    ("there", "given"),
    [
        ({"CPU": 1.0}, {}),
        ({"CPU": 2.0}, {"HANDRAIL_RAY_REPLICAS": "2", "HANDRAIL_RAY_MAX_REPLICAS": "9"}),
        ({"CPU": 0.3}, {"HANDRAIL_RAY_REPLICAS": "3", "HANDRAIL_RAY_CPUS": "0.1"}),
        ({}, {"HANDRAIL_RAY_CPUS": "0"}),
        ({"CPU": 1.0, "GPU": 8.0}, {"SM_VLLM_TENSOR_PARALLEL_SIZE": "8"}),
        ({"CPU": 3.0}, {"SM_VLLM_TENSOR_PARALLEL_SIZE": "2", "SM_VLLM_DISTRIBUTED_EXECUTOR_BACKEND": "ray"}),
    ],
)
def test_what_ray_has_is_enough(lacking: Any, there: dict[str, float], given: dict[str, str]) -> None:
    assert lacking(there, **given) == []


def test_more_than_ray_has_is_said(lacking: Any) -> None:
    assert lacking({"CPU": 2.0}, HANDRAIL_RAY_REPLICAS="5") == [
        "HANDRAIL_RAY_REPLICAS is 5 and each reserves 1 CPU (HANDRAIL_RAY_CPUS): 5 in all, and Ray has 2 here: write "
        "fewer replicas, or less for each"
    ]


def test_each_resource_has_its_sentence(lacking: Any) -> None:
    assert lacking({"CPU": 2.0}, HANDRAIL_RAY_CPUS="64", HANDRAIL_RAY_GPUS="4") == [
        "a replica reserves 64 CPUs (HANDRAIL_RAY_CPUS), and Ray has 2 here: write less",
        "a replica reserves 4 GPUs (HANDRAIL_RAY_GPUS), and Ray has 0 here: write less",
    ]


def test_the_workers_of_rays_executor_are_counted(lacking: Any) -> None:
    """On a machine with GPUs: what vLLM's flags ask for."""
    flags = {"SM_VLLM_TENSOR_PARALLEL_SIZE": "4", "SM_VLLM_DISTRIBUTED_EXECUTOR_BACKEND": "ray"}
    cpus, gpus = lacking({"CPU": 4.0, "GPU": 2.0}, **flags)
    assert cpus.startswith(
        "a replica reserves 5 CPUs (HANDRAIL_RAY_CPUS, and 1 for each worker of vLLM), and Ray has 4 here"
    )
    assert gpus.startswith("a replica reserves 4 GPUs (by vLLM's flags), and Ray has 2 here")
