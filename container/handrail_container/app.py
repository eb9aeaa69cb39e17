"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from handrail import compat
from handrail.resolve import Program, Resolution, Sources, resolve
from handrail.slots import Slot
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container import __version__
from handrail_container.defaults import DefaultInvocation, DefaultPing
from handrail_container.engine import Backend
from handrail_container.engine.none import NoBackend
from handrail_container.envelope import error_response
from handrail_container.failures import BUG, explain_handler, explain_ours
from handrail_container.gate import Endpoint, Gate
from handrail_container.lifecycle import Lifecycle
from handrail_container.settings import Settings
from handrail_container.weights import find_model

#: References that documents name and vLLM has since moved: each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}

PING_METHODS = ("GET", "POST", "HEAD")


def load_program(settings: Settings) -> Program:
    """Resolve the handlers of the model directory. Blocks, for as long as the user's imports take."""
    compat.install()
    return resolve(Sources(settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES))


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started. Raises SettingsError where it needs a model and has none."""
    if settings.engine == "none":
        return NoBackend()
    if settings.engine == "echo":
        from handrail_container.engine.echo import Pace
        from handrail_container.engine.echo_backend import EchoBackend

        pace = Pace(settings.echo_load_s, settings.echo_ttft_ms / 1000, settings.echo_itl_ms / 1000)
        return EchoBackend(pace, settings.vllm.get("SM_VLLM_MODEL") or "echo")
    from handrail_container.engine.vllm import VllmBackend

    flags = {name: value for name, value in settings.vllm.items() if name != "SM_VLLM_MODEL"}
    return VllmBackend(find_model(settings, fallback_model), flags)


def create_gate(settings: Settings, lifecycle: Lifecycle) -> Gate:
    """The gate as it is before anything is loaded: closed, but for `/` and `/metrics`."""
    gate = Gate(
        lifecycle, max_body_bytes=settings.max_body_mb * 1e6, access_log=settings.access_log, explain=explain_ours
    )
    gate.endpoints["/metrics"] = _ours(metrics, ("GET",), is_always_open=True)
    gate.endpoints["/"] = _ours(_about(lifecycle), ("GET", "HEAD"), is_always_open=True)
    return gate


def create_app(backend: Backend) -> FastAPI:
    """The application the engine adds its routes to, and user code finds at `request.app`."""
    app = FastAPI(title="Handrail", version=__version__)
    app.state.engine = backend.facade
    app.router.default = _no_such_route
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(Exception, _answer_bug)
    return app


def open_gate(gate: Gate, app: FastAPI, backend: Backend, program: Program, settings: Settings) -> None:
    """Let requests through to the handlers, once the engine has started."""
    app.state.engine_client = backend.client
    ping = DefaultPing(backend)
    invocation = DefaultInvocation(app, backend.routes_by_payload)
    defaults: dict[Slot, ASGIApp] = {Slot.PING: ping, Slot.INVOCATION: invocation}
    methods = {Slot.PING: PING_METHODS, Slot.INVOCATION: ("POST",)}
    endpoints = {
        slot.path: _endpoint(program.resolutions[slot], defaults[slot], methods[slot], settings) for slot in Slot
    }
    gate.open(app, {**endpoints, "/health": _ours(ping, PING_METHODS)})


def _endpoint(resolution: Resolution, default: ASGIApp, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    if resolution.handler is None:
        return _ours(default, methods)
    explain = explain_handler(resolution.handler, settings.error_detail)
    return Endpoint(resolution.handler.app, methods, explain)


def _ours(app: ASGIApp, methods: tuple[str, ...], *, is_always_open: bool = False) -> Endpoint:
    return Endpoint(app, methods, explain_ours, is_always_open)


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """The default registry: vLLM's metrics, the user's, and ours."""
    await Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)


def _about(lifecycle: Lifecycle) -> ASGIApp:
    async def about(scope: Scope, receive: Receive, send: Send) -> None:
        body = {"name": "handrail", "version": __version__, "state": lifecycle.state, "reason": lifecycle.reason}
        await JSONResponse(body)(scope, receive, send)

    return about


async def _no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404, f"there is no {scope['path']}")


async def _answer_error(request: Request, error: Any) -> Response:
    request_id = request.scope["state"]["request_id"]
    return error_response(explain_ours(error, request_id), request_id)


async def _answer_bug(request: Request, error: Any) -> Response:
    """Not logged here: Starlette raises the error again after this answer, and the gate logs it."""
    return error_response(BUG, request.scope["state"]["request_id"])
