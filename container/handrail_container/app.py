"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from handrail import compat
from handrail.around import Wrapper
from handrail.calling import Handler
from handrail.definition.model import DefinedModel
from handrail.definition.runner import Runner
from handrail.definition.style import Found
from handrail.ladder import Rung, Sources
from handrail.resolve import Program, Resolution, resolve
from handrail.slots import Slot
from handrail.truss.methods import SOCKET
from handrail.truss.model import TrussModel
from handrail.truss.surroundings import Surroundings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container import truss_config
from handrail_container.admission import Lane, Lanes
from handrail_container.defaults import DefaultInvocation, DefaultPing
from handrail_container.definition import find_config
from handrail_container.definitions import find as definitions
from handrail_container.engine import Backend
from handrail_container.engine.ending import ending
from handrail_container.engine.errors import enveloped
from handrail_container.engine.none import NoBackend
from handrail_container.envelope import Failure, error_response
from handrail_container.environment import process_environment
from handrail_container.exchange import answering
from handrail_container.failures import BUG, explain_definition, explain_handler, explain_ours, explain_wrappers
from handrail_container.gate import Endpoint, Gate, Routes
from handrail_container.keys import Keys
from handrail_container.lifecycle import Lifecycle
from handrail_container.openapi import describe
from handrail_container.ping import bounded, unhealthy
from handrail_container.settings import Settings
from handrail_container.sockets import SocketEndpoint, no_socket
from handrail_container.truss_routes import MODELS, ModelRoutes
from handrail_container.weights import find_model

if TYPE_CHECKING:
    from handrail_container.tracing import Tracing

logger = logging.getLogger("handrail")

#: References that documents name and vLLM has since moved: each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}

#: Who answers, in the log, where no function of the user's does.
ENGINE = "engine"

PING_METHODS = ("GET", "POST", "HEAD")


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
    )
    given = (settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES)
    return resolve(Sources(*given, config=config, surroundings=surroundings, definition=_definition(settings)))


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
    return VllmBackend(find_model(settings, fallback_model, config.model), flags, settings.stall_s, is_strict=is_strict)


def open_tracing(settings: Settings) -> Tracing | None:
    """Spans, where there is somewhere to send them to; what they need may be missing, and is no reason not to serve."""
    if settings.otlp_endpoint is None:
        return None
    try:
        from handrail_container.tracing import Tracing
    except ModuleNotFoundError as missing:
        logger.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but there are no spans: %s is not installed. "
            "Install handrail[otel], or unset the variable.",
            missing.name,
        )
        return None
    return Tracing()


def create_gate(settings: Settings, lifecycle: Lifecycle) -> Gate:
    """The gate as it is before anything is loaded: closed, but for `/` and `/metrics`."""
    gate = Gate(
        lifecycle,
        Lanes(settings),
        max_body_bytes=settings.max_body_mb * 1e6,
        access_log=settings.access_log,
        cancels_on_disconnect=settings.cancel_on_disconnect,
    )
    gate.keys = gate.sockets.keys = Keys(settings)
    gate.endpoints["/metrics"] = _ours(metrics, ("GET",), is_always_open=True)
    gate.endpoints["/"] = _ours(_about(lifecycle), ("GET", "HEAD"), is_always_open=True)
    return gate


def create_app(backend: Backend) -> FastAPI:
    """The application the engine adds its routes to, and user code finds at `request.app`."""
    app = FastAPI(title="Handrail", version=version("handrail"))
    describe(app)
    app.state.engine = backend.facade
    app.router.default = _no_such_route
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(UnicodeEncodeError, _answer_unencodable)
    app.add_exception_handler(Exception, _answer_bug)
    return app


def runner(model: DefinedModel, settings: Settings, port: int) -> Runner:
    """What runs a definition's snippet. An engine there is reached where its own routes are: on our `port`, with a key
    where the server asks for one."""
    from handrail_container.workers.pool import WorkerPool

    key = f":{quote(settings.api_keys[0], safe='')}@" if settings.api_keys else ""
    url = None if settings.engine == "none" else f"http://{key}127.0.0.1:{port}"
    return WorkerPool(model.snippet, settings.snippet_queue, url)


def routes(app: FastAPI, backend: Backend, program: Program, settings: Settings, lanes: Lanes) -> Routes:
    """What answers once the gate is opened: after the start, and again after each reload.

    Raises SignatureRefused where a middleware class cannot be made.
    """
    around, model = program.around, program.model
    health, of_engine = DefaultPing(backend, workers=program.definition), enveloped(ending(app))
    engine = replace(_ours(of_engine, ()), handler=ENGINE, serves_own=program.definition is not None)
    by_payload = DefaultInvocation(of_engine, backend.routes_by_payload)
    invocation = _surrounded(_invocation(program, by_payload, settings), around.wrappers, settings)
    invocation = _laned(invocation, lanes.invocations)
    endpoints = {
        Slot.PING.path: _ping(program, backend, settings),
        Slot.INVOCATION.path: invocation,
        "/predict": invocation,
        "/health": _ours(health, PING_METHODS),
    }
    prefixes = {
        "/v1/": _laned(_surrounded(engine, around.wrappers, settings), lanes.engine),
        "": _laned(engine, lanes.engine),
    }
    if model is not None:
        of_model = _of_model(model, around.wrappers, settings)
        endpoints |= {path: _laned(endpoint, lanes.engine) for path, endpoint in of_model.items()}
        if settings.model_routes == "strict":
            of_engine, prefixes = _no_such_route, {"": _ours(_no_such_route, ())}
        readiness = DefaultPing(backend, model)
        of_models = ModelRoutes(model, readiness, answering(invocation.app, invocation.explain), of_engine)
        prefixes = {MODELS: _ours(of_models, ()), **prefixes}
    return Routes(endpoints, prefixes, _sockets(model, settings))


def _sockets(model: TrussModel | None, settings: Settings) -> dict[str, SocketEndpoint]:
    handler = model.socket if model is not None else None
    if handler is None:
        return {SOCKET: SocketEndpoint(no_socket, explain_ours)}
    return {SOCKET: SocketEndpoint(handler.app, explain_handler(handler, settings))}


def _invocation(program: Program, default: ASGIApp, settings: Settings) -> Endpoint:
    if program.definition is not None:
        return Endpoint(program.definition.handler.app, ("POST",), explain_definition(settings))
    return _endpoint(program.resolutions[Slot.INVOCATION], default, ("POST",), settings)


def _ping(program: Program, backend: Backend, settings: Settings) -> Endpoint:
    resolution, model, pre_post = program.resolutions[Slot.PING], program.model, program.around.pre_post
    if model is not None and resolution.winner.rung is Rung.STYLE:
        ping = _ours(DefaultPing(backend, model, program.definition), PING_METHODS)
    else:
        ping = _endpoint(resolution, DefaultPing(backend, workers=program.definition), PING_METHODS, settings)
    if resolution.handler is not None:
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=True))
    if pre_post:
        ping = _surrounded(ping, pre_post, settings)
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=False))
    return bounded(ping) if pre_post or resolution.handler is not None else ping


def _laned(endpoint: Endpoint, lane: Lane) -> Endpoint:
    return replace(endpoint, app=lane.around(endpoint.app))


def _of_model(model: TrussModel, wrappers: tuple[Wrapper, ...], settings: Settings) -> dict[str, Endpoint]:
    """The `/v1` routes that a Model answers itself."""
    return {
        path: _surrounded(_of_handler(handler, ("POST",), settings), wrappers, settings)
        for path, handler in model.routes.items()
    }


def _endpoint(resolution: Resolution, default: ASGIApp, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    if resolution.handler is None:
        return replace(_ours(default, methods), handler=ENGINE)
    return _of_handler(resolution.handler, methods, settings)


def _of_handler(handler: Handler, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    return Endpoint(handler.app, methods, explain_handler(handler, settings), handler=handler.signature.name)


def _surrounded(endpoint: Endpoint, wrappers: tuple[Wrapper, ...], settings: Settings) -> Endpoint:
    """`endpoint` inside the user's wrappers, the first outermost."""
    if not wrappers:
        return endpoint
    app = answering(endpoint.app, endpoint.explain)
    for wrapper in reversed(wrappers):
        app = wrapper.wrap(app)
    return replace(endpoint, app=app, explain=explain_wrappers(wrappers, settings))


def _ours(app: ASGIApp, methods: tuple[str, ...], *, is_always_open: bool = False) -> Endpoint:
    return Endpoint(app, methods, explain_ours, is_always_open)


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """The default registry: vLLM's metrics, the user's, and ours."""
    await Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)


def _about(lifecycle: Lifecycle) -> ASGIApp:
    async def about(scope: Scope, receive: Receive, send: Send) -> None:
        body = {
            "name": "handrail",
            "version": version("handrail"),
            "state": lifecycle.state,
            "reason": lifecycle.reason,
        }
        await JSONResponse(body)(scope, receive, send)

    return about


async def _no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404, f"there is no {scope['path']}")


async def _answer_error(request: Request, error: Any) -> Response:
    request_id = request.scope["state"]["request_id"]
    return error_response(explain_ours(error, request_id), request_id)


async def _answer_unencodable(request: Request, error: Any) -> Response:
    """JSON can hold what UTF-8 cannot, and an engine's answer repeats some of what it was asked."""
    failure = Failure(400, "the body has half a character: a lone surrogate, as \\ud800 is")
    return error_response(failure, request.scope["state"]["request_id"])


async def _answer_bug(request: Request, error: Any) -> Response:
    """Not logged here: Starlette raises the error again after this answer, and the gate logs it."""
    return error_response(BUG, request.scope["state"]["request_id"])
