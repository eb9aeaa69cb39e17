"""The options of the Ray Serve deployment: number of replicas, their resources, and their shutdown timeout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handrail_container.process.exits import SettingsError
from handrail_container.program import engine_config
from handrail_container.settings import vllm_flags as sm
from handrail_container.settings.fields import Settings

#: Seconds after the drain, in which remaining requests are ended, hooks run, and the engine stops.
_STOP_S = 15.0
#: Ray's resolution of resources.
_NOTHING = 1e-4
_HEALTH_PERIOD_S = 2.0
#: Requests to `/ping` and `/metrics`, which are never refused.
_SPARE = 64
_SIZES = ("TENSOR_PARALLEL_SIZE", "PIPELINE_PARALLEL_SIZE", "DATA_PARALLEL_SIZE")


def options(settings: Settings, gpus_there: float) -> dict[str, Any]:
    """Options of the deployment, on a cluster with `gpus_there`. Raises SettingsError."""
    most = settings.max_concurrency + settings.max_queue
    return {
        **_replicas(settings),
        **_resources(settings, gpus_there),
        "max_ongoing_requests": 2 * most + _SPARE,  # not a limit: the replica's own queue decides which requests wait
        "max_queued_requests": -1,
        "graceful_shutdown_timeout_s": stop_s(settings),
        "graceful_shutdown_wait_loop_s": 0.1,
        "health_check_period_s": _HEALTH_PERIOD_S,
        "health_check_timeout_s": settings.stall_s,
        "max_constructor_retry_count": 1,  # no retry: a start that failed once fails again
    }


def stop_s(settings: Settings) -> float:
    """Seconds that a replica has to stop."""
    return settings.drain_s + _STOP_S


def missing_resources(settings: Settings, there: Mapping[str, float]) -> list[str]:
    """A sentence for each resource of which the replicas reserve more than is `there`, by Ray's names of resources.
    Raises SettingsError."""
    given = options(settings, there.get("GPU", 0.0))
    actor, workers = given["ray_actor_options"], given.get("placement_group_bundles")
    bundles = workers or [{"CPU": actor["num_cpus"], "GPU": actor["num_gpus"]}]
    by = {
        "CPU": "HANDRAIL_RAY_CPUS" + (", and 1 for each worker of vLLM" if workers else ""),
        "GPU": "HANDRAIL_RAY_GPUS" if settings.ray_gpus is not None else "by vLLM's flags",
    }
    each = {name: sum(bundle.get(name, 0.0) for bundle in bundles) for name in by}
    least = settings.ray_replicas
    return [
        _too_much(least, each[name], f"{name}{'s' * (each[name] != 1)} ({by[name]})", there.get(name, 0.0))
        for name in by
        if least * each[name] > there.get(name, 0.0) + _NOTHING
    ]


def _too_much(replicas: int, each: float, of_what: str, has: float) -> str:
    if replicas == 1:
        return f"a replica reserves {each:g} {of_what}, and Ray has {has:g} here: write less"
    return (
        f"HANDRAIL_RAY_REPLICAS is {replicas} and each reserves {each:g} {of_what}: {replicas * each:g} in all, and "
        f"Ray has {has:g} here: write fewer replicas, or less for each"
    )


def _replicas(settings: Settings) -> dict[str, Any]:
    least, most = settings.ray_replicas, settings.ray_max_replicas
    if most is None:
        return {"num_replicas": least}
    autoscaling = {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": settings.ray_target}
    return {"num_replicas": None, "autoscaling_config": autoscaling}


def _resources(settings: Settings, gpus_there: float) -> dict[str, Any]:
    """The reservation: the replica's GPUs for vLLM's own executor; one placement bundle per worker for Ray's."""
    flags = sm.engine_flags(engine_config.read(settings).flags or {}) if settings.engine == "vllm" else {}
    workers = world_size(flags) if settings.engine == "vllm" else 0
    gpus = settings.ray_gpus if settings.ray_gpus is not None else float(workers if gpus_there else 0)
    if flags.get("DISTRIBUTED_EXECUTOR_BACKEND") != "ray" or not workers:
        return {"ray_actor_options": {"num_cpus": settings.ray_cpus, "num_gpus": gpus}}
    bundle = {"CPU": 1.0, **({"GPU": gpus / workers} if gpus else {})}
    return {
        "ray_actor_options": {"num_cpus": settings.ray_cpus},
        "placement_group_bundles": [{"CPU": max(settings.ray_cpus, 1.0)}, *([bundle] * workers)],
        "placement_group_strategy": "PACK",
    }


def world_size(flags: Mapping[str, str]) -> int:
    """The number of workers that vLLM starts with these flags. Raises SettingsError."""
    size = 1
    for name in _SIZES:
        value = flags.get(name, "1")
        if not value.isdecimal() or not int(value):
            raise SettingsError(f"{sm.PREFIX}{name} is {value!r}: a whole number from 1 on")
        size *= int(value)
    return size
