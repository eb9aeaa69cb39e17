"""`handrail serve --ray`: a cluster of its own or the one RAY_ADDRESS names, the application on it, and its end."""

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
from handrail_container.ray.plan import stop_s, unmet
from handrail_container.ray.replica import ReplicaFailed
from handrail_container.server.listener import bind
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

_FAILURE = re.compile(r"ReplicaFailed: (exit status \d: .*)", re.DOTALL)
_FAILED = ("DEPLOY_FAILED",)
#: In Serve's words: there is no room for a replica.
_WAITING = "to be scheduled"
_TOLD_S = 2.0
#: What Serve itself takes to see that the last replica has stopped.
_NOTICED_S = 5.0
_POLL_S = 0.1


class Cluster:
    """Its methods block, and are called in this order; `check` repeats."""

    def __init__(self, settings: Settings, fallback_model: Path | None) -> None:
        self._settings = settings
        self._fallback_model = fallback_model
        self._is_own = not ray_cluster.names_a_cluster()
        self._starts_serve = False
        self._has_deployed = False
        self._warned = ""
        self._host = ""

    def start(self, host: str, port: int) -> None:
        """Ray, and Serve where it does not run, with its proxies. Raises ConnectionError where RAY_ADDRESS does not
        answer, SettingsError where the Serve there is taken."""
        self._host = host
        where: dict[str, Any] = {"address": "local", "include_dashboard": False} if self._is_own else {}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(**where, configure_logging=False, log_to_driver=True)
        if controller := _controller():
            _require_room(controller, port)
        else:
            bind(host, port).close()  # Ray's own complaint is in a log of its own
            self._starts_serve = True
        serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port}, logging_config=QUIET)

    def deploy(self) -> None:
        """Return while the replicas start. Raises SettingsError."""
        if self._is_own and (problems := unmet(self._settings, ray.cluster_resources())):  # no machine will join it
            raise SettingsError(*problems)
        target = serve.RunTarget(
            application(self._settings, self._fallback_model, self._host), name=APP, route_prefix="/"
        )
        self._has_deployed = True
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)

    def is_running(self) -> bool:
        """Whether all replicas of the start are ready. Raises ReplicaFailed where they cannot be, EngineDeadError where
        the application is gone."""
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
        """Where a replica finds no room, which may come: Serve's own words, once."""
        message = " ".join(app.deployments[NAME].message.split()) if NAME in app.deployments else ""
        if _WAITING in message and message != self._warned:
            logger.warning("Ray Serve: %s", message)
            self._warned = message

    def stop(self) -> None:
        """The application first, whose requests finish; then what we have started of the rest. Where Ray is ours and no
        replica answers yet, nobody is waited for."""
        if not ray.is_initialized():
            return
        if not self._is_own or _has_running_replica():
            self._end_serve()
        ray.shutdown()

    def _end_serve(self) -> None:
        """What is ours of it."""
        with contextlib.suppress(RayError, RayServeException, TimeoutError):  # the cluster is gone
            if self._has_deployed:
                self._delete()
            if self._starts_serve:
                serve.shutdown()

    def _delete(self) -> None:
        """Return once the replicas have stopped, or had the time for it: Serve's own way waits a minute at most."""
        with contextlib.suppress(RayError, RayServeException, TimeoutError):  # a fleet that never began, or is gone
            serve.get_app_handle(APP).broadcast("drain").results(timeout_s=_TOLD_S, return_exceptions=True)
        serve.delete(APP, _blocking=False)
        deadline = time.monotonic() + stop_s(self._settings) + _NOTICED_S
        while APP in serve.status().applications and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _has_running_replica() -> bool:
    with contextlib.suppress(RayError, RayServeException):  # the cluster is gone
        app = serve.status().applications.get(APP)
        return app is not None and NAME in app.deployments and bool(app.deployments[NAME].replica_states.get("RUNNING"))
    return False


def _controller() -> Any:
    """That of the Serve which runs on the cluster, somebody's; None where there is none, and to ask Serve would start
    one."""
    try:
        return ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return None


def _require_room(controller: Any, port: int) -> None:
    """Raises SettingsError where the Serve that runs there has another application in our place, or another port."""
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
