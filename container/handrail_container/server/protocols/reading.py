"""Parses a client's bytes into requests, one at a time, in the order in which they are answered.

While a complete request waits for its answer, input behind it stays unparsed, and reading is paused. Otherwise a client
could fill the memory with parsed requests. The parser decides where a message ends. An offer of another protocol is
ignored, except for WebSockets: the request is read as a plain one.
"""

from __future__ import annotations

import contextlib
import contextvars
from abc import abstractmethod
from types import FunctionType
from typing import Any

import httptools
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handrail_container.http.envelope import Failure
from handrail_container.http.framing import expects_continue, fault_of_head, origin_form
from handrail_container.server.protocols.cycle import Cycle

#: The key in a request's `state` for its headers as a mapping, the last of each name: they are read more than once.
HEADERS = "handrail.headers"
#: The end of every head. A body may contain it as well.
_HEAD_END = b"\r\n\r\n"
#: Least bytes of a body that are parsed in one step: a body may be full of what looks like the end of a head.
_BODY_STEP = 256

_TARGET = Failure(
    400, "the target of a request is a path that begins with / or a whole http address: there is no `OPTIONS *` here"
)
_TUNNEL = Failure(405, "this server is no proxy: it has no CONNECT")
_SOCKET = Failure(400, "a WebSocket is opened by a GET without a body, and nothing is sent until it is open")
_SOCKET_BEHIND = Failure(400, "a WebSocket is not opened behind a request that is not answered yet")


def _with_our_cycle(function: Any) -> Any:
    """A copy of uvicorn's `function` in which `RequestResponseCycle` is our Cycle: uvicorn has no hook for it.

    Uvicorn itself is not patched: any other server in this process is unaffected.
    """
    names = {**function.__globals__, "RequestResponseCycle": Cycle}
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


#: Uvicorn's callback for a complete head, which starts the request.
_complete_head = _with_our_cycle(HttpToolsProtocol.on_headers_complete)


class RequestRefused(Exception):
    """Raised in the parser's callbacks to end its work on a connection."""


class _Flow(FlowControl):
    """Uvicorn's flow control. While `is_held`, a request that waits for its body or a disconnect resumes no reading."""

    is_held = False

    def resume_reading(self) -> None:
        if self.read_paused and not self.is_held:
            super().resume_reading()


class RequestReader(HttpToolsProtocol):
    """Uvicorn's protocol, reading one request at a time. Invalid input goes to the subclass's `_refuse`."""

    flow: _Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers: list[tuple[bytes, bytes]] = []  # of the head being read; then, trailers
        self._is_refused = self._is_behind = False
        self._fault: Failure | None = None  # of the head being read
        self._held, self._held_from = b"", 0
        self._head_bytes = 0  # since the last body chunk (head or trailers), not counting the chunk the head began in
        self._last_word: Failure | None = None  # sent once all requests before a fault are answered
        self._running: Any = None
        self._context = contextvars.copy_context()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._discard(data)
            return
        cycle = self.cycle
        is_waiting = cycle is not None and not (cycle.more_body or cycle.response_complete)
        if is_waiting or self._held or self.pipeline or data.count(_HEAD_END) > 1:
            self._held, self._held_from = self._held[self._held_from :] + data, 0
            self._read_one()
        else:
            self._feed(data)

    def _is_waiting(self) -> bool:
        """Whether a complete request is unanswered: further input has to wait for its answer."""
        cycle = self.cycle
        return bool(self.pipeline) or not (cycle is None or cycle.more_body or cycle.response_complete)

    def _read_what_is_behind(self) -> None:
        """Read the input that arrived while a request was unanswered."""
        if not self.transport.is_closing():
            self._is_behind = True
            self._read_one()
            self._is_behind = False

    def _read_one(self) -> None:
        """Parse up to the end of one request. A step ends one head, or the few that follow a body within _BODY_STEP: no
        more than those can be queued."""
        data, begin = self._held, self._held_from
        while begin < len(data) and not (self._is_refused or self._is_waiting()):
            found = data.find(_HEAD_END, begin + (_BODY_STEP if self._is_unfinished() else 0))
            end = len(data) if found < 0 else found + len(_HEAD_END)
            self._held_from = end
            self._feed(data[begin:end])
            begin = end
        self.flow.is_held = begin < len(data)
        if self.flow.is_held and not self._is_refused:
            self.flow.pause_reading()
            return
        self._held, self._held_from, self.flow.is_held = b"", 0, False
        is_full = self._is_unfinished() and len(self.cycle.body) > HIGH_WATER_LIMIT
        if not (is_full or self.transport.is_closing()):
            self.flow.resume_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._on_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._fault)

    def _on_upgrade(self, rest: bytes) -> None:
        """Handle a complete head that asks for another protocol; `rest` is the unparsed input behind it."""
        if self.parser.get_http_version() == "1.0" or not self._should_upgrade():
            self._read_as_plain(rest)
        elif self._is_behind or self._is_busy():
            self._refuse(_SOCKET_BEHIND)
        elif self.scope["method"] != "GET" or rest or self._held_from < len(self._held) or self._has_body():
            self._refuse(_SOCKET)
        else:
            self.handle_websocket_upgrade()
            self._is_refused = True  # further input is the WebSocket's

    def _has_body(self) -> bool:
        """Whether the head announces a body. A Content-Length of 0 does not, and is removed: WebSockets have none."""
        self.headers[:] = [header for header in self.headers if header != (b"content-length", b"0")]
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _read_as_plain(self, rest: bytes) -> None:
        """Ignore the client's offer of another protocol. This parser would skip the body, or read it as the next
        request. So a new parser reads the head without the offer, and then the rest."""
        version, method = self.parser.get_http_version(), self.parser.get_method()
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version.encode(), b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        with contextlib.suppress(AttributeError):  # as in uvicorn: older httptools have no leniencies
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(head + rest)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["asgi"]["spec_version"] = "2.4"  # Starlette's streams then need no listener for a disconnect
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))  # white space around a value is not part of it

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        named = dict(self.headers)
        self._fault = fault_of_head(version, self.headers, named)
        if self._fault is not None:
            raise RequestRefused
        is_upgrade = self.parser.should_upgrade()
        if is_upgrade and self.parser.get_method() == b"CONNECT":
            self._fault = _TUNNEL
            raise RequestRefused
        if not self.url.startswith(b"/"):
            self._take_host()
            named = dict(self.headers)
        if is_upgrade:  # `_on_upgrade` comes next
            self.scope["method"] = self.parser.get_method().decode()
            return
        self.expect_100_continue = version == "1.1" and expects_continue(named)
        self.scope["state"][HEADERS] = named
        _complete_head(self)
        self.headers = []  # trailers must not pass for headers: a proxy in front did not check them

    def _take_host(self) -> None:
        """Take the host from a target that is a whole address, in place of the Host header."""
        found = origin_form(self.url)
        if found is None:
            self._fault = _TARGET
            raise RequestRefused
        host, self.url = found
        self.headers[:] = [(b"host", host), *(header for header in self.headers if header[0] != b"host")]

    def on_message_complete(self) -> None:
        cycle = self.cycle
        if "path" in self.scope:  # else `_on_upgrade` has yet to see the head
            cycle.more_body = False
            cycle.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle  # uvicorn itself loses it when another request is queued behind it
        if isinstance(app, ProxyHeadersMiddleware) and not _is_forwarded(cycle.scope):
            app = app.app  # it would read the headers again, and change nothing
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Uvicorn's without its keep-alive timer, which every request would set and cancel."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._running.more_body and not self._running.is_kept:
            self._end_rest()
        elif self.pipeline:  # this runs in the context of the request before it
            self._context.run(self._start_asgi_task, *self.pipeline.pop())
        elif self._last_word is not None:
            self._say_last_word(self._last_word)
        if self._held:  # perhaps the body of the request that begins
            self.loop.call_soon(self._read_what_is_behind, context=self._context)

    def unanswered(self) -> list[Any]:
        """Uvicorn's cycles of the requests that run or wait."""
        cycles = {
            id(cycle): cycle for cycle in (self._running, self.cycle, *(one for one, _ in self.pipeline)) if cycle
        }
        return [cycle for cycle in cycles.values() if not cycle.response_complete]

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_unfinished(self) -> bool:
        """Whether the latest request's body is incomplete."""
        return self.cycle is not None and self.cycle.more_body

    def _is_in_head(self) -> bool:
        return self.scope is not None and "path" not in self.scope

    @abstractmethod
    def _end_rest(self) -> None:
        """End the connection: the request is answered, and its body has not ended."""

    @abstractmethod
    def _discard(self, data: bytes) -> None:
        """Count input that came after the end of the connection was decided."""

    @abstractmethod
    def _say_last_word(self, failure: Failure) -> None:
        """Answer a fault, now that all requests before it are answered."""

    @abstractmethod
    def _refuse(self, failure: Failure | None) -> None:
        """Accept no further input; answer with `failure`, or, if None, that the input is not a valid request."""


def _is_forwarded(scope: Scope) -> bool:
    named = scope["state"][HEADERS]
    return b"x-forwarded-for" in named or b"x-forwarded-proto" in named
