"""The application that the engine adds its routes to, and how it answers errors."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from handrail_container.engine.backend import Backend
from handrail_container.http.envelope import error_response
from handrail_container.http.explain import BUG, HALF_A_CHARACTER, explain_ours
from handrail_container.routes.no_such_route import no_such_route
from handrail_container.routes.openapi import describe


def create_app(backend: Backend) -> FastAPI:
    """The application that the engine adds its routes to; user code finds it at `request.app`."""
    app = FastAPI(title="Handrail", version=version("handrail"))
    describe(app)
    app.state.engine = backend.facade
    app.router.default = no_such_route
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(UnicodeEncodeError, _answer_unencodable)
    app.add_exception_handler(Exception, _answer_bug)
    return app


async def _answer_error(request: Request, error: Any) -> Response:
    request_id = request.scope["state"]["handrail.request_id"]
    return error_response(explain_ours(error, request_id), request_id)


async def _answer_unencodable(request: Request, error: Any) -> Response:
    return error_response(HALF_A_CHARACTER, request.scope["state"]["handrail.request_id"])


async def _answer_bug(request: Request, error: Any) -> Response:
    """Not logged here: Starlette raises the error again after this answer, and the gate logs it."""
    return error_response(BUG, request.scope["state"]["handrail.request_id"])
