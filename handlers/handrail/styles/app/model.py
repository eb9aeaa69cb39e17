"""A FastAPI or Starlette application as a whole model of the server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.applications import Starlette
from starlette.types import ASGIApp, Scope

from handrail.core.calling import Handler
from handrail.core.errors import SettingFault
from handrail.core.signature import Signature
from handrail.core.slots import Slot
from handrail.core.tracebacks import definition, signature_text
from handrail.core.whole_model import Claim, Start, WholeModel
from handrail.styles.app import routes
from handrail.styles.app.application import Application
from handrail.styles.app.hidden import hidden_routes

if TYPE_CHECKING:
    from handrail.core.contract import Contract

SETTING = "HANDRAIL_APP_INVOCATION"
_PING, _INVOCATIONS = Slot.PING.path, Slot.INVOCATION.path


class Named(NamedTuple):
    """The name that its author gave to an application, and the line of that name. `folder` has the author's code."""

    name: str
    where: str
    path: Path
    folder: Path


class AppModel(WholeModel):
    """`invocation` is the path of the route that answers /invocations, where the operator says it.

    Raises SettingFault if there is no such route.
    """

    title = "app"
    loading = "the app is starting"
    is_always_served = answers_ping = True

    def __init__(self, app: Starlette, named: Named, invocation: str | None = None) -> None:
        self.app, self.named = app, named
        self._application = Application(app, named.folder)
        self.application = Handler(app, self._signature(None), self._application, self._application.part_of)
        self.invocation = self._invocation(invocation)
        self.handlers = dict(self._handlers())

    async def start(self, start: Start) -> None:
        """Raises LoadFailed."""
        await self._application.start(start.engine)

    async def stop(self) -> None:
        await self._application.stop()

    def claim(self, scope: Scope) -> Claim:
        return routes.claim(self.app, scope)

    def contract(self) -> Contract | None:
        """As the application's own description has it; None if it has none."""
        from handrail.core.contract import Contract  # imports FastAPI's OpenAPI, rarely needed

        describe = getattr(self.app, "openapi", None)
        try:
            document = describe() if describe is not None else {}
        except Exception:  # noqa: BLE001  the types of the user's routes may raise anything
            return None
        operation = document.get("paths", {}).get(self.invocation, {}).get("post")
        return Contract(operation, document.get("components", {}).get("schemas", {})) if operation else None

    def unasked(self) -> list[str]:
        """Why the engine answers /invocations, and what to write."""
        posts = ", ".join(row.path for row in self._posts) or "none"
        name, where = self.named.name, self.named.where
        return [
            f"the engine answers {_INVOCATIONS}, as no route of {name} ({where}) is plainly the one for it. Its POST "
            f'routes: {posts}. Write @{name}.post("{_INVOCATIONS}"), or set {SETTING} to the path of one'
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(hidden_routes(self.claim, self.named.name, self.rows_of))

    def rows(self) -> Iterator[str]:
        yield f"{self.named.name}: {type(self.app).__name__}  {self.named.where}"
        yield f"{_INVOCATIONS}: {f'POST {self.invocation}' if self.invocation else 'none of its routes'}"
        yield from (str(row) for row in self.rows_of if not row.is_of_documentation)
        described = [row.path for row in self.rows_of if row.is_of_documentation]
        if described:
            yield f"documentation: {', '.join(described)}"

    def data(self) -> dict[str, Any]:
        rows = [
            {
                "path": row.path,
                "methods": list(row.methods),
                "websocket": row.is_socket,
                "name": row.name,
                "where": row.where,
            }
            for row in self.rows_of
        ]
        return {"name": self.named.name, "where": self.named.where, "invocation": self.invocation, "routes": rows}

    @cached_property
    def rows_of(self) -> list[routes.ListedRoute]:
        return list(routes.listed(self.app.routes))

    @property
    def _posts(self) -> list[routes.ListedRoute]:
        return [row for row in self.rows_of if "POST" in row.methods]

    def _invocation(self, asked: str | None) -> str | None:
        """The path that answers /invocations. Raises SettingFault."""
        if asked is not None:
            if self.claim(routes.asked(asked, "POST")) is not Claim.REQUEST:
                posts = ", ".join(row.path for row in self._posts if row.takes_no_name) or "none"
                name, where = self.named.name, self.named.where
                raise SettingFault(
                    f"{SETTING} is {asked!r}, and {name} ({where}) has no POST route there, but: {posts}."
                )
            return asked
        if self._row(_INVOCATIONS, "POST"):
            return _INVOCATIONS
        only = self._posts[0] if len(self._posts) == 1 and self._posts[0].takes_no_name else None
        return only.path if only else None

    def _handlers(self) -> Iterator[tuple[Slot, Handler]]:
        ping, stream = self._row(_PING, "GET"), self._row(Slot.STREAM.path)
        if ping is not None:
            yield Slot.PING, self._handler(ping, self._application.at(_PING, "GET"))
        if self.invocation is not None:
            row, app = self._row(self.invocation, "POST"), self._application.at(self.invocation)
            yield Slot.INVOCATION, self._handler(row, app)
        if stream is not None:
            yield Slot.STREAM, self._handler(stream, self._application)

    def _row(self, path: str, method: str = "") -> routes.ListedRoute | None:
        """The route of a path, for a WebSocket if there is no method. A template like `/{name}` is none of any path."""
        fits = (
            row for row in self.rows_of if row.path == path and (method in row.methods if method else row.is_socket)
        )
        return next(fits, None)

    def _handler(self, row: routes.ListedRoute | None, app: ASGIApp) -> Handler:
        endpoint = row.endpoint if row is not None else None
        return Handler(endpoint or self.app, self._signature(endpoint), app, self._application.part_of)

    def _signature(self, endpoint: Any) -> Signature:
        """What is said of a route. Its parameters are FastAPI's to read."""
        text = signature_text(endpoint) if endpoint is not None else None
        if text is None:
            return Signature(self.named.name, self.named.where, self.named.name, ())
        return Signature(endpoint.__name__, definition(endpoint), text, ())
