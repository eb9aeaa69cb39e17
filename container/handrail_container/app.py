"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from handrail import compat
from handrail.definition.model import DefinedModel
from handrail.definition.runner import Runner
from handrail.definition.style import Found
from handrail.ladder import Sources
from handrail.resolve import Program, resolve
from handrail.slots import Slot
from handrail.truss.surroundings import Surroundings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container import extras, truss_config
from handrail_container.admission import Lanes
from handrail_container.bodies import MB
from handrail_container.definition import find_config
from handrail_container.definitions import find as definitions
from handrail_container.engine import Backend
from handrail_container.engine.grammars import RequestBounds
from handrail_container.engine.none import NoBackend
from handrail_container.envelope import error_response
from handrail_container.environment import process_environment
from handrail_container.failures import BUG, HALF_A_CHARACTER, explain_ours
from handrail_container.gate import Gate
from handrail_container.json_bounds import JsonBounds
from handrail_container.keys import Keys
from handrail_container.lifecycle import Lifecycle
from handrail_container.openapi import describe
from handrail_container.origins import Origins
from handrail_container.routing import no_such_route, ours
from handrail_container.sessions import find_sessions
from handrail_container.settings import Settings
from handrail_container.weights import find_model

if TYPE_CHECKING:
    from handrail_container.tracing import Tracing

logger = logging.getLogger("handrail")

#: References that documents name and vLLM has since moved: each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}


def load_program(settings: Settings) -> Program:
    """Resolve the handlers of the model directory. Blocks, for as long as the user's imports take."""
    compat.install()
    truss_config.set_variables(settings)
    config = find_config(settings.model_path)
    surroundings = Surroundings(
        process_environment(),
        settings.secrets_path,
        settings.truss_environment,
        settings.load_retries,
        settings.redactor,
        truss_config.read(settings).lacking,
    )
    given = (settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES)
    foreign = (settings.sagemaker_program, settings.foreign_script == "refuse")
    return resolve(Sources(*given, config, surroundings, _definition(settings), *foreign))


def _definition(settings: Settings) -> Found | None:
    found = definitions.find(
        definitions.Place(settings.model_path, settings.definition, process_environment(), settings.secrets_path),
        definitions.Defaults(settings.snippet_timeout_s, settings.snippet_workers, settings.invocation_timeout_s),
    )
    for secret in found.model.secret_values if found is not None and found.model is not None else ():
        settings.redactor.hide(secret)
    return found


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started.

    Raises SettingsError where it needs a model and has none, and where `config.yaml` asks for what cannot be done.
    """
    config = truss_config.read(settings)
    truss_config.require_no_problems(config)
    is_strict = settings.model_names == "strict"
    if settings.engine == "none":
        return NoBackend()
    if settings.engine == "echo":
        from handrail_container.engine.echo import Pace
        from handrail_container.engine.echo_backend import EchoBackend

        pace = Pace(settings.echo_load_s, settings.echo_ttft_ms / 1000, settings.echo_itl_ms / 1000)
        name = settings.vllm.get("SM_VLLM_MODEL") or config.model or "echo"
        return EchoBackend(pace, name, is_strict=is_strict)
    from handrail_container.engine.vllm import VllmBackend

    flags = {name: value for name, value in (config.flags or {}).items() if name != "SM_VLLM_MODEL"}
    model = find_model(settings, fallback_model, config.model)
    bounds = RequestBounds(settings.max_grammar_size, settings.max_n, settings.max_text_chars)
    return VllmBackend(model, flags, settings.stall_s, is_strict=is_strict, bounds=bounds)


def open_tracing(settings: Settings) -> Tracing | None:
    """Spans, where there is somewhere to send them to; what they need may be missing, and is no reason not to serve."""
    if settings.otlp_endpoint is None:
        return None
    try:
        from handrail_container.tracing import Tracing
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


def create_app(backend: Backend) -> FastAPI:
    """The application the engine adds its routes to, and user code finds at `request.app`."""
    app = FastAPI(title="Handrail", version=version("handrail"))
    describe(app)
    app.state.engine = backend.facade
    app.router.default = no_such_route
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(UnicodeEncodeError, _answer_unencodable)
    app.add_exception_handler(Exception, _answer_bug)
    return app


def runner(model: DefinedModel, settings: Settings, engine_url: str) -> Runner:
    """What runs a definition's snippet, which asks an engine at `engine_url`."""
    from handrail_container.workers.pool import WorkerPool

    return WorkerPool(model.snippet, settings.snippet_queue, None if settings.engine == "none" else engine_url)


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


async def _answer_error(request: Request, error: Any) -> Response:
    request_id = request.scope["state"]["handrail.request_id"]
    return error_response(explain_ours(error, request_id), request_id)


async def _answer_unencodable(request: Request, error: Any) -> Response:
    return error_response(HALF_A_CHARACTER, request.scope["state"]["handrail.request_id"])


async def _answer_bug(request: Request, error: Any) -> Response:
    """Not logged here: Starlette raises the error again after this answer, and the gate logs it."""
    return error_response(BUG, request.scope["state"]["handrail.request_id"])
