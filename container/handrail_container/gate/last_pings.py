"""The last answers of `/ping` and `/health`, to be repeated while the event loop is blocked."""

from __future__ import annotations

from email.utils import formatdate
from typing import NamedTuple

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Scope, Send

from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.http.envelope import error_response

PATHS = frozenset({"/ping", "/health"})

#: Headers that are not repeated: they are about the earlier connection or moment.
_STALE = frozenset({b"connection", b"content-length", b"date", b"transfer-encoding"})

Headers = tuple[tuple[bytes, bytes], ...]


class PingAnswer(NamedTuple):
    """An answer, and the lifecycle's state and reason when it was given."""

    status: int
    headers: Headers
    body: bytes
    at: tuple[str, str] = ("", "")


class LastPings:
    """The last answer of each of PATHS; if there is none since the server's state changed, one made from the state.

    The state `ready` gives no answer for `/ping`: the script's own check may fail, and was not called yet.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._said: dict[str, PingAnswer] = {}

    def recording(self, scope: Scope, send: Send) -> Send:
        """`send` that keeps the answer once it is complete. An answer to HEAD may lack its body, and is not kept."""
        if scope["method"] not in ("GET", "POST"):
            return send
        said = PingAnswer(0, (), b"")

        async def noted(message: Message) -> None:
            nonlocal said
            await send(message)
            if message["type"] == "http.response.start":
                said = PingAnswer(message["status"], tuple(message["headers"]), b"", self._now())
                return
            said = said._replace(body=said.body + message.get("body", b""))
            if not message.get("more_body", False):
                self._said[scope["path"]] = said

        return noted

    def last(self, path: str) -> PingAnswer | None:
        said = self._said.get(path)
        if said is not None and said.at == self._now():
            return said
        if not self._lifecycle.is_ready:
            return ping_answer(error_response(self._lifecycle.refusal(), ""))
        return None if path == "/ping" else ping_answer(JSONResponse({"status": "healthy"}))

    def _now(self) -> tuple[str, str]:
        return self._lifecycle.state, self._lifecycle.reason


def ping_answer(response: Response) -> PingAnswer:
    return PingAnswer(response.status_code, tuple(response.raw_headers), bytes(response.body))


def wire(said: PingAnswer, *, has_body: bool) -> bytes:
    """The bytes of a whole HTTP/1.1 answer that closes its connection."""
    kept = [(name, value) for name, value in said.headers if name.lower() not in _STALE]
    length = str(len(said.body)).encode()
    headers = [
        *kept,
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-length", length),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d " % said.status, *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (said.body if has_body else b"")
