"""The engine's routes beside a whole model that answers /invocations."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

#: POST routes that generate nothing.
HARMLESS = frozenset({"/tokenize", "/detokenize"})


def beside_model(engine: ASGIApp) -> ASGIApp:
    """The engine's routes beside a Model whose `predict` answers. POST routes that generate are refused, because they
    would bypass the checks of `predict`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and scope["path"] not in HARMLESS:
            raise HTTPException(
                404,
                f"there is no {scope['path']} beside the Model's predict; HANDRAIL_MODEL_ROUTES=engine lets the engine "
                "answer what the Model does not define",
            )
        await engine(scope, receive, send)

    return app
