"""`/adapters`, and the header that selects the adapter of a request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping

from handrail.aws.adapter_header import HEADER
from handrail.aws.adapter_requests import title, to_load
from handrail.core.errors import HandlerFault
from handrail.core.slots import AdapterSlot
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail_container.engine.lora import Adapters
from handrail_container.http.origins import Origins
from handrail_container.routes.adapter_sources import AdapterSources
from handrail_container.settings.fields import Settings

logger = logging.getLogger("handrail")

PATH = AdapterSlot.LOAD.path
_HEADER = HEADER.lower().encode()
_TRUE = ("true", "1")


class AdapterRoutes:
    """The routes of `/adapters`. `own` are the script's handlers: they replace ours and check the source themselves."""

    def __init__(
        self,
        adapters: Adapters,
        own: Mapping[AdapterSlot, ASGIApp],
        sources: AdapterSources,
        origins: Origins,
        settings: Settings,
    ) -> None:
        self._adapters = adapters
        self._own = own
        self._sources = sources
        self._origins = origins
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(PATH).removeprefix("/")
        changing = AdapterSlot.UNLOAD if name else AdapterSlot.LOAD
        request = Request(scope, receive)
        app: ASGIApp
        if request.method == "GET":
            app = self._about(name)
        elif request.method != changing.method:
            allowed = f"GET, {changing.method}"
            raise HTTPException(405, f"{scope['path']} takes {allowed}, not {request.method}", {"Allow": allowed})
        elif refusal := self._origins.refusal(dict(scope["headers"]), "no change of adapters"):
            raise HTTPException(refusal.status, refusal.message)
        elif self._adapters.locked_reason:
            raise HTTPException(501, self._adapters.locked_reason)
        elif changing in self._own:
            app, scope = self._own[changing], {**scope, "path_params": {"adapter_name": name}}
        else:
            app = await (self._unload(name, request) if name else self._load(request))
        await app(scope, receive, send)

    def _about(self, name: str) -> Response:
        rows = {name: {"name": name, "src": source} for name, source in self._adapters.loaded().items()}
        if not name:
            return JSONResponse({"adapters": list(rows.values())})
        if name not in rows:
            raise HTTPException(404, f"the adapter {name!r} is not loaded")
        return JSONResponse(rows[name] | {"in_use": self._adapters.in_use(name)})

    async def _load(self, request: Request) -> Response:
        asked = await to_load(request)
        source = self._sources.require(asked.src)
        try:
            await self._adapters.load(asked.name, source, self._sources.code_policy(source))
        except HandlerFault as fault:
            raise HTTPException(424, self._told(asked.name, fault)) from fault
        return PlainTextResponse(f"Adapter {title(asked.name, request)} registered")

    def _told(self, name: str, fault: HandlerFault) -> str:
        """The adapter's author is told the line, by the log and, as HANDRAIL_ERROR_DETAIL allows, by the answer."""
        hidden = self._settings.redactor
        logger.error("the adapter %s is not loaded: %s\n%s", name, hidden(str(fault)), hidden(fault.user_traceback))
        if self._settings.error_detail == "none":
            return f"the adapter {name!r} is not loaded: its code is at fault; the log has it"
        return hidden(f"the adapter {name!r} is not loaded: {fault}")

    async def _unload(self, name: str, request: Request) -> Response:
        is_forced = request.query_params.get("force", "").lower() in _TRUE
        await self._adapters.unload(name, is_forced=is_forced)
        return PlainTextResponse(f"Adapter {title(name, request)} unregistered")


def sent_to_adapters(app: ASGIApp, adapters: Adapters) -> ASGIApp:
    """`app` with `request.state.adapter` set to the header's adapter name, None without the header."""

    def sent(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        state = scope["state"]
        exchange = state.get("handrail.exchange")  # a WebSocket has none
        headers = exchange.headers if exchange is not None else dict(scope["headers"])
        name = state["adapter"] = headers.get(_HEADER, b"").decode("latin-1") or None
        return app(scope, receive, send) if name is None else held(name, scope, receive, send)

    async def held(name: str, scope: Scope, receive: Receive, send: Send) -> None:
        with adapters.holding(name):
            await app(scope, receive, send)

    return sent
