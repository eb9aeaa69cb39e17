"""Opens, closes and finds SageMaker's sessions before a handler, with the headers and statuses of SageMaker's images.

| request                                 | answer                                                       |
|-----------------------------------------|--------------------------------------------------------------|
| `{"requestType": "NEW_SESSION"}`        | 200 and the header of a new session                          |
| `{"requestType": "CLOSE"}`              | 200 and the header of a closed one; 424 where none is named  |
| … with the header of an unknown session | 400; and so is every other request                           |
| … where sessions are not switched on    | 400                                                          |
| the header `NEW_SESSION`, another body  | the handler's, and the header of the session it had          |
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from handrail.aws.sessions import (
    CLOSED_HEADER,
    HEADER,
    LOOKED_AT,
    OPENED_HEADER,
    SessionRequest,
    refuse_without_sessions,
    session_request,
)
from handrail.core.slots import SessionStep
from handrail.wrap.downstream import replay
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail_container.process.threads import in_thread
from handrail_container.routes.session_store import Session, Sessions

_STEPS = {SessionRequest.OPEN: SessionStep.CREATE, SessionRequest.CLOSE: SessionStep.CLOSE}


class SessionLayer:
    """`app` finds its session in the request's state. `sessions` is None if sessions are off. `custom` are the script's
    own steps: with any of them the engine keeps the sessions, and no id is looked up here."""

    def __init__(self, app: ASGIApp, sessions: Sessions | None, custom: Mapping[SessionStep, ASGIApp]) -> None:
        self._app = app
        self._sessions = sessions
        self._custom = custom

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body, named = await request.body(), request.headers.get(HEADER)
        scope["state"][LOOKED_AT] = True
        again = replay(body, receive)
        asked = session_request(body)
        if self._sessions is None and not self._custom:
            refuse_without_sessions(asked, named)
        if asked is not None:
            await self._manage(asked, named, (scope, again, send))
        elif self._sessions is None or self._custom or not named:
            await self._app(scope, again, send)
        elif named == SessionRequest.OPEN:
            await self._open_for(self._sessions, (scope, again, send))
        else:
            scope["state"]["session"] = await in_thread(lambda: self._found(named), "session")
            await self._app(scope, again, send)

    def _found(self, named: str) -> Session:
        assert self._sessions is not None
        return self._sessions.find(named)

    async def _manage(self, asked: SessionRequest, named: str | None, connection: tuple[Scope, Receive, Send]) -> None:
        custom = self._custom.get(_STEPS[asked])
        if custom is not None:
            await custom(*connection)
            return
        if self._sessions is None:
            raise HTTPException(400, "Invalid payload. stateful sessions not enabled")
        response = await (_opened(self._sessions) if asked is SessionRequest.OPEN else _closed(self._sessions, named))
        await response(*connection)

    async def _open_for(self, sessions: Sessions, connection: tuple[Scope, Receive, Send]) -> None:
        """Open a session and pass the request on to the handler; if the handler fails, the session is closed again."""
        scope, receive, send = connection
        session = scope["state"]["session"] = await in_thread(sessions.open, "session")
        is_kept = False

        async def send_with_session(message: Message) -> None:
            nonlocal is_kept
            if message["type"] == "http.response.start" and message["status"] < 400:
                is_kept = True
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                headers[OPENED_HEADER] = _header(session)
                message = {**message, "headers": headers.raw}
            await send(message)

        try:
            await self._app(scope, receive, send_with_session)
        finally:
            if not is_kept:
                with suppress(HTTPException):  # expired while the handler ran
                    await in_thread(lambda: sessions.close(session.id), "session")  # it may hold many files


async def _opened(sessions: Sessions) -> Response:
    session = await in_thread(sessions.open, "session")
    return PlainTextResponse(f"Session {session.id} created", headers={OPENED_HEADER: _header(session)})


async def _closed(sessions: Sessions, named: str | None) -> Response:
    if not named or named == SessionRequest.OPEN:
        reason = f"session not found: {named}" if named else f"invalid session_id: {named}"
        raise HTTPException(424, f"Failed to close session: {reason}")
    await in_thread(lambda: sessions.close(named), "session")
    return PlainTextResponse(f"Session {named} closed", headers={CLOSED_HEADER: named})


def _header(session: Session) -> str:
    return f"{session.id}; Expires={session.expires:%Y-%m-%dT%H:%M:%SZ}"
