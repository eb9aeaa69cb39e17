"""`handrail serve --ray`: a cluster of its own or the one RAY_ADDRESS names, the application on it, and its end."""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from handrail_container.errors import EngineDeadError
from handrail_container.ray import variables
from handrail_container.ray.deployment import APP, NAME, QUIET, application
from handrail_container.ray.replica import ReplicaFailed
from handrail_container.settings import Settings

_FAILURE = re.compile(r"ReplicaFailed: (exit status \d: .*)", re.DOTALL)
_FAILED = ("DEPLOY_FAILED",)
_TOLD_S = 2.0


class Cluster:
    """Its methods block, and are called in this order; `check` repeats."""

    def __init__(self, settings: Settings, fallback_model: Path | None) -> None:
        self._settings = settings
        self._fallback_model = fallback_model
        self._starts_serve = False

    def start(self, host: str, port: int) -> None:
        """Ray, and Serve where it does not run, with its proxies. Raises ConnectionError where RAY_ADDRESS does not
        answer."""
        where: dict[str, Any] = {} if variables.address() else {"address": "local", "include_dashboard": False}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(**where, configure_logging=False, log_to_driver=True)
        self._starts_serve = not _is_serving()
        serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port}, logging_config=QUIET)

    def deploy(self) -> None:
        """Return while the replicas start. Raises SettingsError."""
        target = serve.RunTarget(application(self._settings, self._fallback_model), name=APP, route_prefix="/")
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)

    def is_running(self) -> bool:
        """Whether all replicas of the start are ready. Raises ReplicaFailed where they cannot be, EngineDeadError where
        the application is gone."""
        app = serve.status().applications.get(APP)
        if app is None:
            raise EngineDeadError("the application is no longer on the cluster")
        if app.status in _FAILED:
            raise ReplicaFailed(self._why(app))
        return str(app.status.value) == "RUNNING"

    def _why(self, app: Any) -> str:
        message = app.deployments[NAME].message if NAME in app.deployments else app.message
        found = _FAILURE.search(message)
        return found[1].strip() if found else f"exit status 4: handrail: Ray Serve could not deploy: {message}"

    def stop(self) -> None:
        """The application first, whose requests finish; then what we have started of the rest."""
        if not ray.is_initialized():
            return
        with contextlib.suppress(RayError, RayServeException, TimeoutError):  # a fleet that never began, or is gone
            serve.get_app_handle(APP).broadcast("drain").results(timeout_s=_TOLD_S, return_exceptions=True)
        with contextlib.suppress(RayError, RayServeException):  # the cluster is gone
            serve.delete(APP)
            if self._starts_serve:
                serve.shutdown()
        ray.shutdown()


def _is_serving() -> bool:
    """Whether the cluster has a Serve of somebody's; asking for the status would start one."""
    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return False
    return True
