"""Chooses the replica of a request: its session's, else the less busy one of two random ones."""

from __future__ import annotations

import random
from typing import Any

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.request_router import PendingRequest, RunningReplica


class SessionRouter(ConsistentHashRouter):  # type: ignore[misc]  # Ray has no types here
    """A session stays with its replica while the set of replicas stays the same."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[Any]]:
        if pending_request is None or pending_request.metadata.session_id:
            ranked: list[list[Any]] = await super().choose_replicas(candidate_replicas, pending_request)
            return ranked
        return [random.sample(candidate_replicas, min(2, len(candidate_replicas)))] if candidate_replicas else []
