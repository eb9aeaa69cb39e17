"""The composition root: settings, handlers and an engine become one application behind the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from handrail import compat
from handrail.around import Wrapper
from handrail.calling import Handler
from handrail.ladder import Rung, Sources
from handrail.resolve import Program, Resolution, resolve
from handrail.slots import Slot
from handrail.truss.methods import ROUTES
from handrail.truss.model import TrussModel
from handrail.truss.surroundings import Surroundings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container import __version__, truss_config
from handrail_container.admission import Lane, Lanes
from handrail_container.defaults import DefaultInvocation, DefaultPing
from handrail_container.definition import find_config
from handrail_container.engine import Backend
from handrail_container.engine.ending import ending
from handrail_container.engine.errors import enveloped
from handrail_container.engine.none import NoBackend
from handrail_container.envelope import Failure, error_response
from handrail_container.environment import process_environment
from handrail_container.exchange import answering
from handrail_container.failures import BUG, explain_handler, explain_ours, explain_wrappers
from handrail_container.gate import Endpoint, Gate
from handrail_container.keys import Keys
from handrail_container.lifecycle import Lifecycle
from handrail_container.openapi import describe
from handrail_container.ping import bounded, unhealthy
from handrail_container.settings import Settings
from handrail_container.truss_routes import MODELS, ModelRoutes
from handrail_container.weights import find_model

#: References that documents name and vLLM has since moved: each means the slot's default, on every engine.
DEFAULT_ALIASES = {Slot.PING: frozenset({"vllm.entrypoints.openai.api_server:health"})}

Endpoints = dict[str, Endpoint]

PING_METHODS = ("GET", "POST", "HEAD")


def load_program(settings: Settings) -> Program:
    """Resolve the handlers of the model directory. Blocks, for as long as the user's imports take."""
    compat.install()
    truss_config.set_variables(settings)
    config = find_config(settings.model_path)
    surroundings = Surroundings(process_environment(), settings.secrets_path)
    given = (settings.model_path, settings.script_filename, settings.references, DEFAULT_ALIASES)
    return resolve(Sources(*given, config=config, surroundings=surroundings))


def open_backend(settings: Settings, fallback_model: Path | None) -> Backend:
    """The engine `HANDRAIL_ENGINE` names, not started.

    Raises SettingsError where it needs a model and has none, and where `config.yaml` asks for what cannot be done.
    """
    config = truss_config.read(settings)
    truss_config.require_no_problems(config)
    if settings.engine == "none":
        return NoBackend()
    if settings.engine == "echo":
        from handrail_container.engine.echo import Pace
        from handrail_container.engine.echo_backend import EchoBackend

        pace = Pace(settings.echo_load_s, settings.echo_ttft_ms / 1000, settings.echo_itl_ms / 1000)
        return EchoBackend(pace, settings.vllm.get("SM_VLLM_MODEL") or config.model or "echo")
    from handrail_container.engine.vllm import VllmBackend

    flags = {name: value for name, value in (config.flags or {}).items() if name != "SM_VLLM_MODEL"}
    return VllmBackend(find_model(settings, fallback_model, config.model), flags, settings.stall_s)


def create_gate(settings: Settings, lifecycle: Lifecycle) -> Gate:
    """The gate as it is before anything is loaded: closed, but for `/` and `/metrics`."""
    gate = Gate(
        lifecycle,
        max_body_bytes=settings.max_body_mb * 1e6,
        access_log=settings.access_log,
        cancels_on_disconnect=settings.cancel_on_disconnect,
    )
    gate.keys = Keys(settings)
    gate.endpoints["/metrics"] = _ours(metrics, ("GET",), is_always_open=True)
    gate.endpoints["/"] = _ours(_about(lifecycle), ("GET", "HEAD"), is_always_open=True)
    return gate


def create_app(backend: Backend) -> FastAPI:
    """The application the engine adds its routes to, and user code finds at `request.app`."""
    app = FastAPI(title="Handrail", version=__version__)
    describe(app)
    app.state.engine = backend.facade
    app.router.default = _no_such_route
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(UnicodeEncodeError, _answer_unencodable)
    app.add_exception_handler(Exception, _answer_bug)
    return app


def routes(
    app: FastAPI, backend: Backend, program: Program, settings: Settings, lanes: Lanes
) -> tuple[Endpoints, Endpoints]:
    """What answers, by path and by prefix, once the gate is opened: after the start, and again after each reload.

    Raises SignatureRefused where a middleware class cannot be made.
    """
    around, model = program.around, program.model
    health, of_engine = DefaultPing(backend), enveloped(ending(app))
    by_payload = DefaultInvocation(of_engine, backend.routes_by_payload)
    invocation = _endpoint(program.resolutions[Slot.INVOCATION], by_payload, ("POST",), settings)
    engine, invocation = (
        _ours(of_engine, ()),
        _laned(_surrounded(invocation, around.wrappers, settings), lanes.invocations),
    )
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
        readiness = DefaultPing(backend, model.is_healthy)
        of_models = ModelRoutes(model, readiness, answering(invocation.app, invocation.explain), of_engine)
        prefixes = {MODELS: _ours(of_models, ()), **prefixes}
    return endpoints, prefixes


def _ping(program: Program, backend: Backend, settings: Settings) -> Endpoint:
    resolution, model, pre_post = program.resolutions[Slot.PING], program.model, program.around.pre_post
    if model is not None and resolution.winner.rung is Rung.STYLE:
        ping = _ours(DefaultPing(backend, model.is_healthy), PING_METHODS)
    else:
        ping = _endpoint(resolution, DefaultPing(backend), PING_METHODS, settings)
    if resolution.handler is not None:
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=True))
    if pre_post:
        ping = _surrounded(ping, pre_post, settings)
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=False))
    return bounded(ping) if pre_post or resolution.handler is not None else ping


def _laned(endpoint: Endpoint, lane: Lane) -> Endpoint:
    return replace(endpoint, app=lane.around(endpoint.app))


def _of_model(model: TrussModel, wrappers: tuple[Wrapper, ...], settings: Settings) -> dict[str, Endpoint]:
    """The `/v1` routes that a Model answers itself; where the server is strict, those it does not are none."""
    absent = set(ROUTES.values()) if settings.model_routes == "strict" else set()
    refused = {path: _ours(_no_such_route, ()) for path in absent}
    return refused | {
        path: _surrounded(_of_handler(handler, ("POST",), settings), wrappers, settings)
        for path, handler in model.routes.items()
    }


def _endpoint(resolution: Resolution, default: ASGIApp, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    if resolution.handler is None:
        return _ours(default, methods)
    return _of_handler(resolution.handler, methods, settings)


def _of_handler(handler: Handler, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    return Endpoint(handler.app, methods, explain_handler(handler, settings.error_detail))


def _surrounded(endpoint: Endpoint, wrappers: tuple[Wrapper, ...], settings: Settings) -> Endpoint:
    """`endpoint` inside the user's wrappers, the first outermost."""
    if not wrappers:
        return endpoint
    app = answering(endpoint.app, endpoint.explain)
    for wrapper in reversed(wrappers):
        app = wrapper.wrap(app)
    return replace(endpoint, app=app, explain=explain_wrappers(wrappers, settings.error_detail))


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


async def _answer_unencodable(request: Request, error: Any) -> Response:
    """JSON can hold what UTF-8 cannot, and an engine's answer repeats some of what it was asked."""
    failure = Failure(400, "the body has half a character: a lone surrogate, as \\ud800 is")
    return error_response(failure, request.scope["state"]["request_id"])


async def _answer_bug(request: Request, error: Any) -> Response:
    """Not logged here: Starlette raises the error again after this answer, and the gate logs it."""
    return error_response(BUG, request.scope["state"]["request_id"])
