"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.gate.admission import Lanes
from handrail_container.gate.bodies import MB
from handrail_container.gate.gate import Gate
from handrail_container.gate.keys import Keys
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.http.origins import Origins
from handrail_container.process import extras
from handrail_container.routes.endpoint_makers import ours
from handrail_container.routes.session_store import find_sessions
from handrail_container.settings.fields import Settings

if TYPE_CHECKING:
    from handrail_container.gate.tracing import Tracing

logger = logging.getLogger("handrail")


def open_tracing(settings: Settings) -> Tracing | None:
    """Tracing, if an OTLP endpoint is set. If OpenTelemetry is not installed, logs a warning and returns None."""
    if settings.otlp_endpoint is None:
        return None
    try:
        from handrail_container.gate.tracing import Tracing
    except ModuleNotFoundError as missing:
        logger.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but there are no spans: %s is not installed. "
            "Unset the variable, or: %s",
            missing.name,
            extras.command("otel"),
        )
        return None
    return Tracing()


def json_bounds(settings: Settings) -> JsonBounds:
    return JsonBounds(settings.max_json_values, settings.max_json_objects, settings.max_json_depth)


def create_gate(settings: Settings, lifecycle: Lifecycle) -> Gate:
    """The gate as it is before anything is loaded: closed, but for `/` and `/metrics`.

    Raises SettingsError if sessions cannot be kept.
    """
    gate = Gate(
        lifecycle,
        Lanes(settings),
        max_body_bytes=settings.max_body_mb * MB,
        max_bodies_bytes=settings.max_bodies_mb * MB,
        json_bounds=json_bounds(settings),
        access_log=settings.access_log,
        cancels_on_disconnect=settings.cancel_on_disconnect is not False,
    )
    gate.keys = gate.sockets.keys = Keys(settings.api_keys, protects_metrics=settings.protect_metrics)
    settings.redactor.hide(gate.keys.own)
    gate.sockets.origins = Origins(settings.origins)
    gate.sockets.most = settings.max_websockets
    gate.health_route = settings.aip_health_route or gate.health_route
    gate.sessions = find_sessions(settings)
    gate.endpoints["/metrics"] = ours(metrics, ("GET",), is_always_open=True)
    gate.endpoints["/"] = ours(_about(lifecycle, gate.keys), ("GET", "HEAD"), is_always_open=True)
    return gate


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """The default registry: vLLM's metrics, the user's, and ours."""
    await Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)


def _about(lifecycle: Lifecycle, keys: Keys) -> ASGIApp:
    """The endpoint `/`. If there are keys, it shows the version and the reason only to clients that send one."""

    async def about(scope: Scope, receive: Receive, send: Send) -> None:
        body = {"name": "handrail", "state": lifecycle.state}
        if not keys.is_stranger(dict(scope["headers"])):
            body |= {"version": version("handrail"), "reason": lifecycle.reason}
        await JSONResponse(body)(scope, receive, send)

    return about
