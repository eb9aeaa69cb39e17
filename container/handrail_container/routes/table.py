"""The routing table: the program's handlers inside their wrappers, and the engine's routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from handrail.adapter_code import AdapterCode
from handrail.core.calling import Handler
from handrail.core.ladder import Rung
from handrail.core.slots import Slot
from handrail.core.whole_model import Neighbours, WholeModel
from handrail.resolve import Program
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.asgi.api_routes import api_routes
from handrail_container.engine.asgi.direct import direct
from handrail_container.engine.asgi.ending import ending
from handrail_container.engine.asgi.enveloped import enveloped
from handrail_container.engine.backend import Backend
from handrail_container.engine.lora import Adapters
from handrail_container.engine.opening import request_bounds
from handrail_container.http.answer import answering
from handrail_container.http.explain import explain_handler, explain_model, explain_ours
from handrail_container.http.json_bounds import JsonBounds
from handrail_container.http.origins import Origins
from handrail_container.routes.adapter_sources import SAGEMAKER, AdapterSources
from handrail_container.routes.adapters import PATH as ADAPTERS
from handrail_container.routes.adapters import AdapterRoutes, sent_to_adapters
from handrail_container.routes.applications import Applications, of_models
from handrail_container.routes.beside_model import beside_model
from handrail_container.routes.by_adapter import by_adapter, formatted
from handrail_container.routes.chat_socket import ChatSocket
from handrail_container.routes.defaults import DefaultInvocation, DefaultPing
from handrail_container.routes.endpoint import Admits, Endpoint, GateParts, Routes, SocketEndpoint, no_socket
from handrail_container.routes.endpoint_makers import ENGINE, handler_endpoint, laned, ours, slot_endpoint, surrounded
from handrail_container.routes.execution_parameters import PATH as EXECUTION
from handrail_container.routes.execution_parameters import parameters
from handrail_container.routes.inputs.answering import Inputs
from handrail_container.routes.inputs.dialect import AT_ROOT, TGIS, has_tgis, of_invocations
from handrail_container.routes.keep_alive import keeping_alive
from handrail_container.routes.no_such_route import no_such_route
from handrail_container.routes.ping import bounded, unhealthy
from handrail_container.routes.prefix_aware import salted
from handrail_container.routes.session_layer import SessionLayer
from handrail_container.routes.session_store import Sessions
from handrail_container.routes.vertex import vertex_routes
from handrail_container.settings.fields import Settings

#: The path of a Truss Model's WebSocket; without one, connections there are refused with a reason.
SOCKET = "/v1/websocket"

PING_METHODS = ("GET", "POST", "HEAD")
#: Prefixes below which the engine answers.
_OF_ENGINE = ("/v1/", "")


def routes(app: FastAPI, backend: Backend, program: Program, settings: Settings, gate: GateParts) -> Routes:
    """The routes of a program, made after the start and after each reload.

    Raises SignatureRefused if a middleware class cannot be made.
    """
    engine = enveloped(direct(app, ending(app), backend.direct_paths, request_bounds(settings)), backend.variables)
    engine = salted(engine) if settings.prefix_aware == "salt" else engine
    reachable = no_such_route if _is_strict(program, settings) else engine
    behind = _own_or(_own_routes(program, settings), reachable)
    asked = _invocations(program, backend, settings, gate, behind)
    invocation = laned(asked, gate.lanes.invocations)
    adapters = _adapters(backend, program, settings)
    known = _paths(app)
    endpoints = {
        Slot.PING.path: _ping(program, backend, settings),
        Slot.INVOCATION.path: invocation,
        "/predict": invocation,
        "/health": ours(DefaultPing(backend, _without_ping(program)), PING_METHODS),
        EXECUTION: ours(parameters(settings), ("GET",)),
        ADAPTERS: adapters,
        **dict.fromkeys(_generating_paths(program, settings), invocation),
        **_of_models(program, settings, gate.lanes.engine, backend.adapters),
    }
    tgis = _tgis(backend, program, settings, behind)
    also = {path: one for path, one in tgis.items() if path not in known} | vertex_routes(
        asked, program, settings, known
    )
    endpoints |= {path: laned(one, gate.lanes.invocations) for path, one in also.items()}
    prefixes = {
        f"{ADAPTERS}/": adapters,
        **_prefixes_of_models(program, backend, invocation, reachable),
        **_prefixes_of_engine(engine, program, settings, gate.lanes.engine, backend.adapters),
    }
    sockets = _sockets(program, backend, settings, gate.engine_bounds)
    found = Routes(_kept_alive(endpoints, settings), _kept_alive(prefixes, settings), sockets, known)
    return _with_applications(found, app, program, settings, gate.lanes.invocations)


def _is_strict(program: Program, settings: Settings) -> bool:
    """Whether there is a Model that alone may call the engine, so that the engine's own routes are not served."""
    return settings.model_routes == "strict" and any(model.hides_engine for model in program.models)


def _own_routes(program: Program, settings: Settings) -> dict[str, ASGIApp]:
    """The `/v1` routes that a Model answers itself, with nothing around them."""
    return {path: answering(one.app, explain_handler(one, settings)) for path, one in program.routes.items()}


def _invocations(program: Program, backend: Backend, settings: Settings, gate: GateParts, engine: ASGIApp) -> Endpoint:
    """The endpoint of /invocations, before its lane: its handler, and what stands around it, from the inside out."""
    dialect = of_invocations(settings)
    by_payload = DefaultInvocation(engine, backend.routes_by_payload, backend.adapters, dialect)
    inner = _in_session(_invocation(program, by_payload, settings), program, settings, gate.sessions)
    wrappers = program.around.wrappers

    def with_code(code: AdapterCode) -> Endpoint:
        own = inner if code.handler is None else handler_endpoint(code.handler, ("POST",), settings)
        return surrounded(own, code.around(wrappers), settings)

    endpoint = by_adapter(surrounded(inner, wrappers, settings), with_code, backend.adapters)
    return replace(endpoint, app=sent_to_adapters(endpoint.app, backend.adapters))


def _generating_paths(program: Program, settings: Settings) -> tuple[str, ...]:
    """The paths that the Model's handler of /invocations answers as well: `POST /`, and the engine's, in its place."""
    if program.answering is None:
        return ()
    at_root = (AT_ROOT,) if program.answering.answers_root else ()
    return (*at_root, *(program.answering.also_at if _is_behind_model(program, settings) else ()))


def _prefixes_of_models(
    program: Program, backend: Backend, invocation: Endpoint, engine: ASGIApp
) -> dict[str, Endpoint]:
    """What the models answer below a path; an earlier model's path wins over a later one's."""
    prefixes: dict[str, Endpoint] = {}
    for model in program.models:
        health = DefaultPing(backend, (model,), is_fresh=True)
        neighbours = Neighbours(health, answering(invocation.app, invocation.explain), engine)
        prefixes = {**{path: ours(app, ()) for path, app in model.prefixes(neighbours).items()}, **prefixes}
    return prefixes


def _prefixes_of_engine(
    app: ASGIApp, program: Program, settings: Settings, lane: Admits, adapters: Adapters
) -> dict[str, Endpoint]:
    """The engine on all other paths; the user's wrappers stand around it on `/v1/…` only."""
    if _is_strict(program, settings):
        return {"": ours(no_such_route, ())}
    engine = _engine(app, program, settings)
    return {"/v1/": laned(formatted(engine, program, settings, adapters), lane), "": laned(engine, lane)}


def _kept_alive(endpoints: Mapping[str, Endpoint], settings: Settings) -> Mapping[str, Endpoint]:
    if (silence_s := settings.sse_keep_alive_s) is None:
        return endpoints
    return {path: replace(one, app=keeping_alive(one.app, silence_s)) for path, one in endpoints.items()}


def _with_applications(found: Routes, app: FastAPI, program: Program, settings: Settings, lane: Admits) -> Routes:
    """The routes with those of the models' applications before them, but for the slots'."""

    def serve(handler: Handler) -> Endpoint:
        return laned(surrounded(handler_endpoint(handler, (), settings), program.around.wrappers, settings), lane)

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
    from_hub, code_from = settings.adapters_from_hub, settings.adapters_code
    sources = AdapterSources(roots, (settings.model_path,), from_hub=from_hub, code_from=code_from)
    backend.adapters.most = settings.max_adapters
    return ours(AdapterRoutes(backend.adapters, own, sources, Origins(settings.origins), settings), ())


def _sockets(program: Program, backend: Backend, settings: Settings, bounds: JsonBounds) -> dict[str, SocketEndpoint]:
    chat: ASGIApp = ChatSocket(backend.facade, backend.adapters, bounds)
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
    endpoint = slot_endpoint(resolution, default, ("POST",), settings)
    if model is None or resolution.handler is None:
        return endpoint
    model.meet_default(default)
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
        ping = replace(handler_endpoint(resolution.handler, PING_METHODS, settings), app=app)
    elif resolution.winner.rung is Rung.STYLE:
        ping = ours(DefaultPing(backend, program.models), PING_METHODS)
    else:
        ping = slot_endpoint(resolution, health, PING_METHODS, settings)
    if resolution.handler is not None:
        ping = replace(ping, explain=unhealthy(ping.explain, keeps_status=True))
    if pre_post:
        ping = surrounded(ping, pre_post, settings, partial(unhealthy, keeps_status=False))
    return bounded(ping) if pre_post or resolution.handler is not None else ping


def _of_models(program: Program, settings: Settings, lane: Admits, adapters: Adapters) -> dict[str, Endpoint]:
    """The `/v1` routes that a Model answers itself."""
    outlives = any(model.outlives_client for model in program.models) and settings.cancel_on_disconnect is None
    own = {path: handler_endpoint(handler, ("POST",), settings) for path, handler in program.routes.items()}
    wrapped = {path: formatted(endpoint, program, settings, adapters) for path, endpoint in own.items()}
    return {path: laned(replace(endpoint, outlives_client=outlives), lane) for path, endpoint in wrapped.items()}


def _tgis(backend: Backend, program: Program, settings: Settings, engine: ASGIApp) -> dict[str, Endpoint]:
    paths, found = backend.routes_by_payload, {}
    for path, dialect in TGIS.items() if has_tgis(program, paths) else ():
        inputs = replace(ours(Inputs(engine, paths, backend.adapters, dialect), ("POST",)), handler=ENGINE)
        wrapped = formatted(replace(inputs, is_the_engines=True), program, settings, backend.adapters)
        found[path] = replace(wrapped, app=sent_to_adapters(wrapped.app, backend.adapters))
    return found


def _own_or(own: Mapping[str, ASGIApp], other: ASGIApp) -> ASGIApp:
    """Routes by payload for a model without a handler of /invocations: its own routes come before the engine, which
    would bypass their checks."""
    if not own:
        return other

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await own.get(scope["path"], other)(scope, receive, send)

    return app
