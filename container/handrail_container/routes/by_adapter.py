"""Sends the requests of an adapter that has code to an application made with that code, and others on as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from handrail.adapter_code import AdapterCode
from handrail.core.slots import ADAPTER_CODE
from handrail.resolve import Program
from handrail.wrap.data_formatters import parsed
from handrail.wrap.downstream import replay
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.lora import Adapters
from handrail_container.http.answer import answering
from handrail_container.routes.endpoint import Endpoint
from handrail_container.routes.endpoint_makers import surrounded
from handrail_container.settings.fields import Settings

Made = Callable[[AdapterCode], Endpoint]

#: What stands in a body that names an adapter: a key, a part of it that is escaped, or UTF-16's half of a character.
_NAMING = (b'"model"', b'"adapters"', b'"adapter_id"', b"\\u", b"\0")


def by_adapter(endpoint: Endpoint, make: Made, adapters: Adapters) -> Endpoint:
    """`endpoint`, but for requests that name an adapter with code: those get what `make` gives for it. They name it by
    the header, or as `model`, `adapters` or `parameters.adapter_id` of a JSON body. `request.state.adapter` is its
    name, and the state's `handrail.adapter_code` the code, for a handler that has formatters of its own."""
    return replace(endpoint, app=_ByAdapter(endpoint.app, make, adapters))


def formatted(endpoint: Endpoint, program: Program, settings: Settings, adapters: Adapters) -> Endpoint:
    """`endpoint` inside the wrappers of the program, with an adapter's formatters for its requests."""
    wrappers = program.around.wrappers
    usual = surrounded(endpoint, wrappers, settings)
    return by_adapter(usual, lambda code: surrounded(endpoint, code.around(wrappers), settings), adapters)


class _ByAdapter:
    def __init__(self, app: ASGIApp, make: Made, adapters: Adapters) -> None:
        self._app = app
        self._make = make
        self._adapters = adapters

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not self._adapters.codes:
            return self._app(scope, receive, send)
        return self._chosen(scope, receive, send)

    async def _chosen(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        name, is_held = state.get("adapter"), True
        if name is None and scope["method"] == "POST":
            body = await Request(scope, receive).body()
            name, is_held = await _named(body, self._adapters), False
            receive = replay(body, receive)
        code = self._adapters.code(name) if name is not None else None
        if name is None or code is None:
            await self._app(scope, receive, send)
            return
        app, state["adapter"], state[ADAPTER_CODE] = self._of(code), name, code
        with code.in_use():
            if is_held:
                await app(scope, receive, send)
                return
            with self._adapters.holding(name):
                await app(scope, receive, send)

    def _of(self, code: AdapterCode) -> ASGIApp:
        if self not in code.applications:
            endpoint = self._make(code)
            code.applications[self] = answering(endpoint.app, endpoint.explain)
        return code.applications[self]


async def _named(body: bytes, adapters: Adapters) -> str | None:
    """The adapter with code that a JSON body names. Only a body that may do so is parsed, however many there are."""
    if not any(sign in body for sign in _NAMING):
        return None
    data = await parsed(body)
    for given in _given(data):
        if isinstance(given, str) and given in adapters.codes:
            return given
    return None


def _given(data: Any) -> list[Any]:
    if not isinstance(data, dict):
        return []
    parameters, named = data.get("parameters"), data.get("adapters")
    return [
        data.get("model"),
        parameters.get("adapter_id") if isinstance(parameters, dict) else None,
        named[0] if isinstance(named, list) and named else named,
    ]
