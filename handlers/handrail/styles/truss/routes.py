"""The routes of a Truss server that are served beside our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core.whole_model import Neighbours

MODELS = "/v1/models/"


class ModelRoutes:
    """`/v1/models/{name}` for any name: readiness, `/loaded`, `/schema` and `:predict`."""

    def __init__(self, neighbours: Neighbours, schema: Mapping[str, Any] | None) -> None:
        self._schema_of_model = schema
        self._health, self._predict, self._engine = neighbours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"].removeprefix(MODELS).partition("/")
        if name.endswith((":predict", ":predict_binary")) and not rest:
            _require(scope, "POST")
            await self._predict(scope, receive, send)
        elif name and rest in ("", "loaded", "schema"):
            _require(scope, "GET")
            await self._about(rest)(scope, receive, send)
        else:
            await self._engine(scope, receive, send)

    def _about(self, what: str) -> ASGIApp:
        if what == "loaded":
            return JSONResponse({})
        if what == "schema":
            return self._schema
        return self._health

    async def _schema(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._schema_of_model is None:
            raise HTTPException(404, "there is no schema: annotate what predict takes with a pydantic model")
        await JSONResponse(self._schema_of_model)(scope, receive, send)


def _require(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise HTTPException(405, f"{scope['path']} takes {method}, not {scope['method']}", headers={"Allow": method})
