"""The settings that have an effect under Ray only."""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from handrail_container.settings.field import variable


class RaySettings(BaseSettings):
    ray_replicas: int = variable("HANDRAIL_RAY_REPLICAS", 1, "Under Ray: replicas, or the fewest of them.", ge=1)
    ray_max_replicas: int | None = variable(
        "HANDRAIL_RAY_MAX_REPLICAS", None, "Under Ray: the most replicas; unset, there is no autoscaling.", ge=1
    )
    ray_target: float = variable(
        "HANDRAIL_RAY_TARGET_ONGOING_REQUESTS", 32, "Under Ray: requests at a time for each replica to aim at.", gt=0
    )
    ray_cpus: float = variable("HANDRAIL_RAY_CPUS", 1, "Under Ray: CPUs that a replica reserves.", ge=0)
    ray_gpus: float | None = variable(
        "HANDRAIL_RAY_GPUS",
        None,
        "Under Ray: GPUs that a replica reserves. Unset: as many as vLLM's flags ask for.",
        ge=0,
    )

    @field_validator("ray_max_replicas")
    @classmethod
    def _not_below_the_fewest(cls, most: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("ray_replicas", 1)  # absent if it was refused itself
        if most is not None and most < least:
            raise ValueError(f"HANDRAIL_RAY_MAX_REPLICAS is {most}: at least HANDRAIL_RAY_REPLICAS, which is {least}")
        return most
