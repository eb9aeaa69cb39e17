"""Makes endpoints of handlers and applications, and puts lanes and the user's wrappers around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handrail.core.calling import Handler
from handrail.resolve import Resolution
from handrail.wrap.around import Wrapper
from starlette.types import ASGIApp

from handrail_container.http.answer import answering
from handrail_container.http.envelope import Explain
from handrail_container.http.explain import explain_handler, explain_ours, explain_wrapper
from handrail_container.routes.endpoint import Admits, Endpoint
from handrail_container.settings.fields import Settings

#: The handler's name in the log, if the engine answers.
ENGINE = "engine"


def ours(app: ASGIApp, methods: tuple[str, ...], *, is_always_open: bool = False) -> Endpoint:
    return Endpoint(app, methods, explain_ours, is_always_open)


def handler_endpoint(handler: Handler, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    return Endpoint(handler.app, methods, explain_handler(handler, settings), handler=handler.signature.name)


def slot_endpoint(resolution: Resolution, default: ASGIApp, methods: tuple[str, ...], settings: Settings) -> Endpoint:
    if resolution.handler is None:
        return replace(ours(default, methods), handler=ENGINE, is_the_engines=True)
    return handler_endpoint(resolution.handler, methods, settings)


def laned(endpoint: Endpoint, lane: Admits) -> Endpoint:
    return replace(endpoint, app=lane.around(endpoint.app))


def surrounded(
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
