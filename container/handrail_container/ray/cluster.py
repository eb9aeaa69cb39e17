"""Starts or joins a Ray cluster for `handrail serve --ray`, deploys the application on it, and stops it."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from handrail_container.engine import ray_cluster
from handrail_container.process.exits import EngineDeadError, SettingsError
from handrail_container.ray.deployment import APP, NAME, QUIET, application
from handrail_container.ray.plan import missing_resources, stop_s
from handrail_container.ray.replica import ReplicaFailed
from handrail_container.server.listener import bind
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

_FAILURE = re.compile(r"ReplicaFailed: (exit status \d: .*)", re.DOTALL)
_FAILED = ("DEPLOY_FAILED",)
#: Part of Serve's message when there is no room for a replica.
_WAITING = "to be scheduled"
_BROADCAST_S = 2.0
#: Seconds that Serve needs to notice that the last replica has stopped.
_NOTICE_S = 5.0
_POLL_S = 0.1


class Cluster:
    """The cluster and the application. The methods block, and are called in this order; `is_running` repeats."""

    def __init__(self, settings: Settings, fallback_model: Path | None) -> None:
        self._settings = settings
        self._fallback_model = fallback_model
        self._is_own = not ray_cluster.names_a_cluster()
        self._starts_serve = False
        self._has_deployed = False
        self._warned = ""
        self._host = ""

    def start(self, host: str, port: int) -> None:
        """Start or join Ray, and start Serve with its proxies if it is not running. Raises ConnectionError if
        RAY_ADDRESS does not answer, SettingsError if Serve there has another application or port."""
        self._host = host
        where: dict[str, Any] = {"address": "local", "include_dashboard": False} if self._is_own else {}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(**where, configure_logging=False, log_to_driver=True)
        if controller := _controller():
            _require_room(controller, port)
        else:
            bind(host, port).close()  # report a taken port here: Ray reports it only in a log file of its own
            self._starts_serve = True
        serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port}, logging_config=QUIET)

    def deploy(self) -> None:
        """Deploy the application. Returns before the replicas are ready. Raises SettingsError."""
        missing = missing_resources(self._settings, ray.cluster_resources()) if self._is_own else []
        if missing:  # no machine joins our own cluster later
            raise SettingsError(*missing)
        target = serve.RunTarget(
            application(self._settings, self._fallback_model, self._host), name=APP, route_prefix="/"
        )
        self._has_deployed = True
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)

    def is_running(self) -> bool:
        """Whether all initial replicas are ready. Raises ReplicaFailed if they cannot start, EngineDeadError if the
        application is gone."""
        app = serve.status().applications.get(APP)
        if app is None:
            raise EngineDeadError("the application is no longer on the cluster")
        if app.status in _FAILED:
            raise ReplicaFailed(self._why(app))
        self._warn(app)
        return str(app.status.value) == "RUNNING"

    def _why(self, app: Any) -> str:
        message = app.deployments[NAME].message if NAME in app.deployments else app.message
        found = _FAILURE.search(message)
        return found[1].strip() if found else f"exit status 4: handrail: Ray Serve could not deploy: {message}"

    def _warn(self, app: Any) -> None:
        """Log Serve's own message once if a replica has no room. That is no failure: room may appear."""
        message = " ".join(app.deployments[NAME].message.split()) if NAME in app.deployments else ""
        if _WAITING in message and message != self._warned:
            logger.warning("Ray Serve: %s", message)
            self._warned = message

    def stop(self) -> None:
        """Drain and delete the application, then stop the parts of Serve and Ray that this process started. If Ray is
        our own and no replica runs, only Ray is stopped."""
        if not ray.is_initialized():
            return
        if not self._is_own or _has_running_replica():
            self._end_serve()
        ray.shutdown()

    def _end_serve(self) -> None:
        """Delete our application, and shut Serve down if this process started it."""
        with contextlib.suppress(RayError, RayServeException, TimeoutError):  # the cluster is gone
            if self._has_deployed:
                self._delete()
            if self._starts_serve:
                serve.shutdown()

    def _delete(self) -> None:
        """Delete the application. Returns once the replicas have stopped, or after their timeout. Serve's own blocking
        call waits at most a minute."""
        with contextlib.suppress(RayError, RayServeException, TimeoutError):  # the replicas never started, or are gone
            serve.get_app_handle(APP).broadcast("drain").results(timeout_s=_BROADCAST_S, return_exceptions=True)
        serve.delete(APP, _blocking=False)
        deadline = time.monotonic() + stop_s(self._settings) + _NOTICE_S
        while APP in serve.status().applications and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _has_running_replica() -> bool:
    with contextlib.suppress(RayError, RayServeException):  # the cluster is gone
        app = serve.status().applications.get(APP)
        return app is not None and NAME in app.deployments and bool(app.deployments[NAME].replica_states.get("RUNNING"))
    return False


def _controller() -> Any:
    """The controller of a Serve already on the cluster; None if there is none. Looked up in Ray, because a call to
    Serve would start one."""
    try:
        return ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return None


def _require_room(controller: Any, port: int) -> None:
    """Raises SettingsError if the Serve on the cluster has an application of our name, or another port."""
    there = f"RAY_ADDRESS is {ray_cluster.address()!r}, whose Ray Serve"
    if APP in serve.status().applications:
        raise SettingsError(
            f"{there} has an application {APP!r} already: delete it (`serve shutdown` there deletes all), or name "
            "another cluster"
        )
    taken = int(ray.get(controller.get_http_config.remote()).port)
    if taken != port:
        raise SettingsError(
            f"{there} listens on port {taken}, and this server is to have {port}: write --port {taken}, or end that "
            "Serve (`serve shutdown`)"
        )
