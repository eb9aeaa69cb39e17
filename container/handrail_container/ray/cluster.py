"""`handrail serve --ray`: a cluster of its own or the one RAY_ADDRESS names, the application on it, and its end."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import ray
from ray import serve

from handrail_container.errors import EngineDeadError
from handrail_container.ray.deployment import APP, NAME, QUIET, application
from handrail_container.ray.replica import ReplicaFailed
from handrail_container.settings import Settings

#: What Ray reads from the environment when it starts: nothing of it calls home, or writes there.
_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "handrail_container.ray:front",
}
_FAILURE = re.compile(r"ReplicaFailed: (exit status \d: .*)", re.DOTALL)
_FAILED = ("DEPLOY_FAILED",)
_TOLD_S = 2.0


class Cluster:
    """Its methods block, and are called in this order; `check` repeats."""

    def __init__(self, settings: Settings, fallback_model: Path | None) -> None:
        self._settings = settings
        self._fallback_model = fallback_model

    def start(self, host: str, port: int) -> None:
        """Ray, and Serve with its HTTP proxies. Raises ConnectionError where RAY_ADDRESS does not answer."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._is_ours = not os.environ.get("RAY_ADDRESS")
        where: dict[str, Any] = {"address": "local", "include_dashboard": False} if self._is_ours else {}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(**where, configure_logging=False, log_to_driver=True)
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
        """The application first, whose requests finish; then what is ours of the rest."""
        if serve.status().applications.get(APP) is not None:
            serve.get_app_handle(APP).broadcast("drain").results(timeout_s=_TOLD_S, return_exceptions=True)
        serve.delete(APP)
        if self._is_ours:
            serve.shutdown()
        ray.shutdown()
