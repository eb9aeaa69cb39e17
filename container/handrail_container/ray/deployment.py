"""The application as a Ray Serve deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig

from handrail_container.process.exits import SettingsError
from handrail_container.ray.entrance import ReplicaApp
from handrail_container.ray.plan import options
from handrail_container.ray.replica import Replica, ReplicaFailed
from handrail_container.ray.sharing import is_one_of_many, require_one_folder
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

#: Name of the deployment.
NAME = "handrail"
#: Name of the application.
APP = "default"
_ROUTER = "handrail_container.ray.session_router:SessionRouter"
#: Serve does not log requests: the replicas have their own access log.
QUIET = LoggingConfig(log_level="WARNING", enable_access_log=False)
#: Seconds that `/metrics` waits for the other replicas.
_METRICS_S = 5.0


@serve.ingress()
class ReplicaDeployment:
    """A replica as Serve's deployment class. Serve calls these methods."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, variables: Mapping[str, str], fallback_model: str | None, host: str
    ) -> None:
        try:
            self._replica = Replica(variables, Path(fallback_model) if fallback_model else None, host)
        except SettingsError as error:
            raise ReplicaFailed(f"exit status {int(error.exit_code)}: {error}") from None
        await self._replica.begin()
        if is_one_of_many(self._replica.settings):
            self._replica.share(self._expositions)

    def __serve_build_asgi_app__(self) -> ReplicaApp:
        return self._replica.entrance

    async def check_health(self) -> None:
        await self._replica.check_health()

    async def exposition(self) -> tuple[str, str]:
        return serve.get_replica_context().replica_id.unique_id, self._replica.exposition()

    async def drain(self) -> None:
        """Begin to drain in the background; returns at once."""
        self._draining = asyncio.create_task(self._replica.drain())

    async def _expositions(self) -> dict[str, str]:
        """The metrics of all replicas that answer in time, by replica."""
        broadcast = serve.get_deployment_handle(NAME, APP).broadcast("exposition")
        found = await broadcast.results_async(timeout_s=_METRICS_S, return_exceptions=True)
        return dict(one for one in found if not isinstance(one, BaseException))

    async def __del__(self) -> None:
        if hasattr(self, "_replica"):  # its settings may have been refused
            await self._replica.end()


def build(args: Mapping[str, str]) -> Any:
    """The application with the settings `args`, which win over the environment. Raises SettingsError."""
    environment.take(args)
    return application(environment.read())


def application(settings: Settings, fallback_model: Path | None = None, host: str = "127.0.0.1") -> Any:
    """The bound application for `serve run`. Serve's proxies listen on `host`. Raises SettingsError."""
    gpus = ray.cluster_resources().get("GPU", 0.0)
    require_one_folder(settings, sum(node["Alive"] for node in ray.nodes()))
    router = {"request_router_class": _ROUTER, "request_router_kwargs": {"num_fallback_replicas": 0}}
    made = serve.deployment(name=NAME, logging_config=QUIET, request_router_config=router, **options(settings, gpus))(
        ReplicaDeployment
    )
    return made.bind(environment.variables_for_replica(settings), str(fallback_model) if fallback_model else None, host)
