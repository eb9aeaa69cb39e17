"""The routing table: the program's handlers inside their wrappers, and the engine's routes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from handrail.core.calling import Handler
from handrail.core.ladder import Rung
from handrail.core.slots import Slot
from handrail.core.whole_model import Neighbours, WholeModel
from handrail.resolve import Program, Resolution
from handrail.wrap.around import Wrapper
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.asgi.api_routes import api_routes
from handrail_container.engine.asgi.direct import direct
from handrail_container.engine.asgi.ending import ending
from handrail_container.engine.asgi.enveloped import enveloped
from handrail_container.engine.backend import Backend
from handrail_container.engine.grammars import RequestBounds
from handrail_container.http.answer import answering
from handrail_container.http.envelope import Explain
from handrail_container.http.explain import explain_handler, explain_model, explain_ours, explain_wrapper
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.http.origins import Origins
from handrail_container.routes.adapter_sources import SAGEMAKER, AdapterSources
from handrail_container.routes.adapters import PATH as ADAPTERS
from handrail_container.routes.adapters import AdapterRoutes, sent_to_adapters
from handrail_container.routes.applications import Applications, of_models
from handrail_container.routes.beside_model import beside_model
from handrail_container.routes.chat_socket import ChatSocket
from handrail_container.routes.defaults import DefaultInvocation, DefaultPing
from handrail_container.routes.endpoint import Admits, Endpoint, GateParts, Routes, SocketEndpoint, no_socket
from handrail_container.routes.execution_parameters import PATH as EXECUTION
from handrail_container.routes.execution_parameters import parameters
from handrail_container.routes.ping import bounded, unhealthy
from handrail_container.routes.session_layer import SessionLayer
from handrail_container.routes.session_store import Sessions
from handrail_container.settings.fields import Settings

#: The handler's name in the log, if the engine answers.
ENGINE = "engine"

#: Paths suggested to a client for a mistyped path of fewer than `_LONG` characters.
_OURS = (
    "/ping",
    "/health",
    "/invocations",
    "/predict",
    "/metrics",
    ADAPTERS,
    EXECUTION,
    Slot.STREAM.path,
)
_ENGINES = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/openapi.json", "/docs")
_LONG = 64
#: The path of a Truss Model's WebSocket; without one, connections there are refused with a reason.
SOCKET = "/v1/websocket"

PING_METHODS = ("GET", "POST", "HEAD")
#: Prefixes below which the engine answers.
_OF_ENGINE = ("/v1/", "")


def routes(app: FastAPI, backend: Backend, program: Program, settings: Settings, gate: GateParts) -> Routes:
    """The routes of a program, made after the start and after each reload.

    Raises SignatureRefused if a middleware class cannot be made.
    """
    lanes, wrappers = gate.lanes, program.around.wrappers
    bounds = RequestBounds(settings.max_grammar_size, settings.max_n, repeated=settings.max_repeated_chars)
    of_engine = enveloped(direct(app, ending(app), backend.direct_paths, bounds), backend.variables)
    engine = _engine(of_engine, program, settings)
    own = {path: answering(handler.app, explain_handler(handler, settings)) for path, handler in program.routes.items()}
    is_strict = settings.model_routes == "strict" and any(model.hides_engine for model in program.models)
    behind = _own_or(own, no_such_route if is_strict else of_engine) if own or is_strict else of_engine
    by_payload = DefaultInvocation(behind, backend.routes_by_payload, backend.adapters)
    invocation = _in_session(_invocation(program, by_payload, settings), program, settings, gate.sessions)
    invocation = _surrounded(invocation, wrappers, settings)
    invocation = replace(invocation, app=sent_to_adapters(invocation.app, backend.adapters))
    invocation = _laned(invocation, lanes.invocations)
    of_adapters = _adapters(backend, program, settings)
    endpoints = {
        Slot.PING.path: _ping(program, backend, settings),
        Slot.INVOCATION.path: invocation,
        "/predict": invocation,
        "/health": ours(DefaultPing(backend, _without_ping(program)), PING_METHODS),
        EXECUTION: ours(parameters(settings), ("GET",)),
        ADAPTERS: of_adapters,
    }
    prefixes = {
        "/v1/": _laned(_surrounded(engine, wrappers, settings), lanes.engine),
        "": _laned(engine, lanes.engine),
    }
    if program.answering is not None and _is_behind_model(program, settings):
        endpoints |= dict.fromkeys(program.answering.also_at, invocation)
    endpoints |= {path: _laned(one, lanes.engine) for path, one in _of_models(program, settings).items()}
    if is_strict:
        of_engine, prefixes = no_such_route, {"": ours(no_such_route, ())}
    for model in program.models:
        health = DefaultPing(backend, (model,), is_fresh=True)
        neighbours = Neighbours(health, answering(invocation.app, invocation.explain), of_engine)
        prefixes = {**{path: ours(app, ()) for path, app in model.prefixes(neighbours).items()}, **prefixes}
    sockets = _sockets(program, backend, settings, gate.engine_bounds)
    found = Routes(endpoints, {f"{ADAPTERS}/": of_adapters, **prefixes}, sockets, _paths(app))
    return _with_applications(found, app, program, settings, lanes.invocations)


def _with_applications(found: Routes, app: FastAPI, program: Program, settings: Settings, lane: Admits) -> Routes:
    """The routes with those of the models' applications before them, but for the slots'."""

    def serve(handler: Handler) -> Endpoint:
        return _laned(_surrounded(_of_handler(handler, (), settings), program.around.wrappers, settings), lane)

    served = of_models(program.models, serve)
    if not served:
        return found
    below = tuple(prefix for prefix in found.prefixes if prefix not in _OF_ENGINE)
    applications = Applications(served, app.routes, below)
    endpoints = {path: one for path, one in found.endpoints.items() if not applications.hides(path, "http")}
    sockets = {path: one for path, one in found.sockets.items() if not applications.hides(path, "websocket")}
    return found._replace(endpoints=endpoints, sockets=sockets, applications=applications)


def _is_behind_model(program: Program, settings: Settings) -> bool:
    """Whether a Model's `predict` answers all generation, so that the engine's generating routes are refused."""
    return settings.model_routes == "predict" and program.hides_engine


def _without_ping(program: Program) -> tuple[WholeModel, ...]:
    """The models without a /ping handler: they report their health themselves."""
    return tuple(model for model in program.models if Slot.PING not in model.handlers)


def _engine(app: ASGIApp, program: Program, settings: Settings) -> Endpoint:
    left = beside_model(app) if _is_behind_model(program, settings) else app
    serves_own = any(model.is_elsewhere for model in program.models)
    return replace(ours(left, ()), handler=ENGINE, serves_own=serves_own, is_the_engines=True)


def _paths(app: FastAPI) -> frozenset[str]:
    """The paths of the engine's routes and of their descriptions."""
    plain = [str(getattr(route, "path", "")) for route in app.routes]
    return frozenset((*plain, *(route.path for route in api_routes(app))))


def _adapters(backend: Backend, program: Program, settings: Settings) -> Endpoint:
    own = {
        slot: answering(handler.app, explain_handler(handler, settings)) for slot, handler in program.adapters.items()
    }
    roots = (settings.model_path, SAGEMAKER, *settings.adapter_roots)
    sources = AdapterSources(roots, from_hub=settings.adapters_from_hub)
    backend.adapters.most = settings.max_adapters
    return ours(AdapterRoutes(backend.adapters, own, sources, Origins(settings.origins)), ())


def _sockets(program: Program, backend: Backend, settings: Settings, bounds: JsonBounds) -> dict[str, SocketEndpoint]:
    chat: ASGIApp = ChatSocket(backend.facade, bounds)
    if not backend.routes_by_payload:
        chat = no_socket("no stream handler, and the engine `none` has no default: give model.py one")
    none = no_socket("no WebSocket here: the Model, if there is one, has no method `websocket`")
    stream = _socket(program.resolutions[Slot.STREAM].handler, chat, settings)
    of_models = [(path, handler) for model in program.models for path, handler in model.sockets.items()]
    return {
        SOCKET: _socket(None, none, settings),
        **{path: _socket(handler, none, settings) for path, handler in of_models},
        Slot.STREAM.path: replace(stream, app=sent_to_adapters(stream.app, backend.adapters)),
    }


def _socket(handler: Handler | None, default: ASGIApp, settings: Settings) -> SocketEndpoint:
    if handler is None:
        return SocketEndpoint(default, explain_ours)
    return SocketEndpoint(handler.app, explain_handler(handler, settings))


def _in_session(endpoint: Endpoint, program: Program, settings: Settings, sessions: Sessions | None) -> Endpoint:
    """`endpoint` behind the session layer. Without sessions, a user's handler gets requests for them as they are; the
    engine does not know them, so the layer refuses them."""
    custom = {
        step: answering(handler.app, explain_handler(handler, settings))
        for step, handler in program.session_handlers.items()
    }
    if sessions is None and not custom and endpoint.handler != ENGINE:
        return endpoint
    return replace(endpoint, app=SessionLayer(endpoint.app, sessions, custom))


def _invocation(program: Program, default: ASGIApp, settings: Settings) -> Endpoint:
    resolution, model = program.resolutions[Slot.INVOCATION], program.answering
    endpoint = _endpoint(resolution, default, ("POST",), settings)
    if model is None or resolution.handler is None:
        return endpoint
    explain, outlives = explain_model(model, resolution.handler, settings), model.outlives_client
    if model.application is not None:
        endpoint = replace(endpoint, methods=())  # which it takes is the application's to say
    return replace(endpoint, explain=explain, outlives_client=outlives and settings.cancel_on_disconnect is None)


def _ping(program: Program, backend: Backend, settings: Settings) -> Endpoint:
    resolution, pre_post = program.resolutions[Slot.PING], program.around.pre_post
    health = DefaultPing(backend, _without_ping(program))
    own = [m for m in program.models if m.answers_ping and m.handlers.get(Slot.PING) is resolution.handler]
    if resolution.handler is not None and own:
        app = health.before(resolution.handler.app)
        ping = replace(_of_handler(resolution.handler, PING_METHODS, settings), app=app)
    elif resolution.winner.rung is Rung.STYLE:
        ping = ours(DefaultPing(backend, program.models), PING_METHODS)
    else:
        ping = _endpoint(resolution, health, PING_METHODS, settings)
    if resolution.handler is not None:
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=True))
    if pre_post:
        ping = _surrounded(ping, pre_post, settings, partial(unhealthy, keeps_status=False))
    return bounded(ping) if pre_post or resolution.handler is not None else ping


def _laned(endpoint: Endpoint, lane: Admits) -> Endpoint:
    return replace(endpoint, app=lane.around(endpoint.app))


def _of_models(program: Program, settings: Settings) -> dict[str, Endpoint]:
    """The `/v1` routes that a Model answers itself."""
    outlives = any(model.outlives_client for model in program.models)
    return {
        path: replace(
            _surrounded(_of_handler(handler, ("POST",), settings), program.around.wrappers, settings),
            outlives_client=outlives and settings.cancel_on_disconnect is None,
        )
        for path, handler in program.routes.items()
    }


def _own_or(own: Mapping[str, ASGIApp], other: ASGIApp) -> ASGIApp:
    """Routes by payload for a model without a handler of /invocations: its own routes come before the engine, which
    would bypass their checks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await own.get(scope["path"], other)(scope, receive, send)

    return app


def _endpoint(resolution: Resolution, default: ASGIApp, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    if resolution.handler is None:
        return replace(ours(default, methods), handler=ENGINE, is_the_engines=True)
    return _of_handler(resolution.handler, methods, settings)


def _of_handler(handler: Handler, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    return Endpoint(handler.app, methods, explain_handler(handler, settings), handler=handler.signature.name)


def _surrounded(
    endpoint: Endpoint,
    wrappers: tuple[Wrapper, ...],
    settings: Settings,
    told: Callable[[Explain], Explain] = lambda explain: explain,
) -> Endpoint:
    """`endpoint` inside the user's wrappers, the first outermost. Each wrapper's errors are explained as its own, by
    `told`."""
    for wrapper in reversed(wrappers):
        app = wrapper.wrap(answering(endpoint.app, endpoint.explain))
        endpoint = replace(endpoint, app=app, explain=told(explain_wrapper(wrapper, settings)))
    return endpoint


def ours(app: ASGIApp, methods: tuple[str, ...], *, is_always_open: bool = False) -> Endpoint:
    return Endpoint(app, methods, explain_ours, is_always_open)


async def no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404, with the nearest known path: clients omit parts of a path, and proxies add slashes."""
    path: str = scope["path"]
    engines = {getattr(route, "path", "") for route in getattr(scope.get("app"), "routes", ())}
    known = [*_OURS, *(each for each in _ENGINES if each in engines)]
    close = difflib.get_close_matches(path.rstrip("/").lower(), known, n=1, cutoff=0.8) if len(path) < _LONG else []
    hint = "".join(f": did you mean {each}?" for each in close if each != path)
    raise HTTPException(404, f"there is no {path}{hint}")
