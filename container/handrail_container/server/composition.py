"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.backend import Backend
from handrail_container.engine.grammars import RequestBounds
from handrail_container.engine.none import NoBackend
from handrail_container.gate.admission import Lanes
from handrail_container.gate.bodies import MB
from handrail_container.gate.gate import Gate
from handrail_container.gate.keys import Keys
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.http.origins import Origins
from handrail_container.process import extras
from handrail_container.program import engine_config
from handrail_container.program.weights import find_model
from handrail_container.routes.session_store import find_sessions
from handrail_container.routes.table import ours
from handrail_container.settings.fields import Settings

if TYPE_CHECKING:
    from handrail_container.gate.tracing import Tracing

logger = logging.getLogger("handrail")


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started.

    Raises SettingsError where it needs a model and has none, and where `config.yaml` asks for what cannot be done.
    """
    config = engine_config.read(settings)
    engine_config.require_no_problems(config)
    is_strict = settings.model_names == "strict"
    if settings.engine == "none":
        return NoBackend()
    if settings.engine == "echo":
        from handrail_container.engine.echo.backend import EchoBackend
        from handrail_container.engine.echo.client import Pace

        pace = Pace(settings.echo_load_s, settings.echo_ttft_ms / 1000, settings.echo_itl_ms / 1000)
        name = settings.vllm.get("SM_VLLM_MODEL") or config.model or "echo"
        return EchoBackend(pace, name, is_strict=is_strict)
    from handrail_container.engine.vllm import VllmBackend

    flags = {name: value for name, value in (config.flags or {}).items() if name != "SM_VLLM_MODEL"}
    model = find_model(settings, fallback_model, config.model)
    bounds = RequestBounds(
        settings.max_grammar_size, settings.max_n, settings.max_text_chars, settings.max_repeated_chars
    )
    return VllmBackend(model, flags, settings.stall_s, is_strict=is_strict, bounds=bounds)


def open_tracing(settings: Settings) -> Tracing | None:
    """Spans, where there is somewhere to send them to; what they need may be missing, and is no reason not to serve."""
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

    Raises SettingsError where sessions cannot be kept.
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
    gate.sessions = find_sessions(settings)
    gate.endpoints["/metrics"] = ours(metrics, ("GET",), is_always_open=True)
    gate.endpoints["/"] = ours(_about(lifecycle, gate.keys), ("GET", "HEAD"), is_always_open=True)
    return gate


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """The default registry: vLLM's metrics, the user's, and ours."""
    await Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)


def _about(lifecycle: Lifecycle, keys: Keys) -> ASGIApp:
    """Where there are keys, the version and the reason are for those who have one."""

    async def about(scope: Scope, receive: Receive, send: Send) -> None:
        body = {"name": "handrail", "state": lifecycle.state}
        if not keys.is_stranger(dict(scope["headers"])):
            body |= {"version": version("handrail"), "reason": lifecycle.reason}
        await JSONResponse(body)(scope, receive, send)

    return about
