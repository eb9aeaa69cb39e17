"""A user's application as it is called here: started with the engine in its state, and asked at its paths."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core.calling import Part
from handrail.core.engine import Engine
from handrail.core.errors import LoadFailed
from handrail.core.tracebacks import code_of, inner_code, inner_line, message_of, user_traceback
from handrail.styles.app.lifespan import Lifespan

#: The key of an exception's attributes for the endpoint that it was raised in.
_ENDPOINT = "_handrail_endpoint"


class Application:
    """`folder` has the user's code. An exception that the application does not answer itself is raised."""

    def __init__(self, app: Starlette, folder: Path) -> None:
        self.app = app
        self._folder = folder
        self._lifespan = Lifespan(app)
        self._engine: Engine | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        state["handrail.engine"] = self._engine
        for name, value in self._lifespan.state.items():
            if state.get(name) is None:  # as a session is, where there are none
                state[name] = value
        try:
            await self.app(scope, receive, send)
        except BaseException as error:
            vars(error)[_ENDPOINT] = scope.get("endpoint")
            raise

    def at(self, path: str, method: str | None = None) -> ASGIApp:
        """The application as if it were asked at `path`, and with `method` where that is given."""

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            moved = {**scope, "path": path, "raw_path": path.encode(), "method": method or scope.get("method")}
            await self(moved, receive, send)

        return asked

    def part_of(self, error: BaseException) -> Part | None:
        """The endpoint that raised `error`, or what stands around it."""
        endpoint, inner = vars(error).get(_ENDPOINT), inner_code(error, self._folder)
        if inner is None or _has_run(endpoint, error):
            return Part(getattr(endpoint, "__name__", "app"), endpoint) if endpoint is not None else None
        return Part(inner.co_qualname, cast("Callable[..., Any]", _Coded(inner)))

    async def start(self, engine: Engine) -> None:
        """Raises LoadFailed."""
        self._engine = engine
        for name, value in (("engine", engine), ("engine_client", engine.raw)):
            if not hasattr(self.app.state, name):  # else it is the author's own
                setattr(self.app.state, name, value)
        _leave_errors(self.app)
        try:
            await self._lifespan.start()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a user's lifespan may raise anything, SystemExit too
            where = inner_line(error, self._folder)
            message = f"{where} the app failed at its start: {type(error).__name__}: {message_of(error)}".lstrip()
            raise LoadFailed(message, user_traceback(error, self._folder)) from error

    async def stop(self) -> None:
        await self._lifespan.stop()


class _Coded:
    """Stands for a function of which only the code is at hand."""

    def __init__(self, code: CodeType) -> None:
        self.__code__ = code


def _has_run(endpoint: Any, error: BaseException) -> bool:
    code, traceback = code_of(endpoint) if endpoint is not None else None, error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code is not code:
        traceback = traceback.tb_next
    return traceback is not None


def _leave_errors(app: Starlette) -> None:
    """Have no plain text answer an exception that nobody handles: Starlette raises it again, and the server answers.

    An application in debug mode shows its tracebacks, and a handler of its own for `Exception` or 500 answers.
    """
    if not app.exception_handlers.keys() & {500, Exception}:
        app.add_exception_handler(Exception, _answer_nothing)
    _leave_errors_of_mounted(app.routes)


def _leave_errors_of_mounted(routes: list[BaseRoute]) -> None:
    for mounted in (getattr(route, "_base_app", None) for route in routes):
        if isinstance(mounted, Starlette):
            _leave_errors(mounted)


async def _answer_nothing(request: Request, error: Exception) -> Any:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None: ...

    return nothing
