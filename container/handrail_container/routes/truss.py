"""The routes of a Truss server, beside our own."""

from __future__ import annotations

from handrail.styles.truss.model import TrussModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MODELS = "/v1/models/"
#: They generate nothing.
HARMLESS = frozenset({"/tokenize", "/detokenize"})


class ModelRoutes:
    """`/v1/models/{name}`, whatever the name: readiness, `/loaded`, `/schema` and `:predict`."""

    def __init__(self, model: TrussModel, health: ASGIApp, predict: ASGIApp, engine: ASGIApp) -> None:
        self._model = model
        self._health = health
        self._predict = predict
        self._engine = engine

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
        schema = self._model.schema
        if schema is None:
            raise HTTPException(404, "there is no schema: annotate what predict takes with a pydantic model")
        await JSONResponse(schema)(scope, receive, send)


def beside_predict(engine: ASGIApp) -> ASGIApp:
    """The engine's other routes beside a Model whose `predict` answers: none of them generates, which would bypass what
    `predict` checks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and scope["path"] not in HARMLESS:
            raise HTTPException(
                404,
                f"there is no {scope['path']} beside the Model's predict; HANDRAIL_MODEL_ROUTES=engine lets the engine "
                "answer what the Model does not define",
            )
        await engine(scope, receive, send)

    return app


def _require(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise HTTPException(405, f"{scope['path']} takes {method}, not {scope['method']}", headers={"Allow": method})
