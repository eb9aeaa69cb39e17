"""Limits the size of request bodies: of each, and of all that are in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive

from handrail_container.gate.exchange import Exchange
from handrail_container.http.json_bounds import NO_BOUNDS, UNCOUNTED, BodyRefused, JsonBounds, JsonCount, may_be_deep

#: The most separators in a form: the parser calls back for each field, empty ones included. Starlette itself allows
#: 1,000 fields that are not empty.
MOST_FIELDS = 100_000
_FORM = b"application/x-www-form-urlencoded"
#: Bytes. SageMaker counts its limits of a body in this unit, so a body that it passes on is accepted.
MB = 1 << 20


class TooLarge(BodyRefused):
    """A body exceeds the limit of one body: 413."""

    def __init__(self, limit: float) -> None:
        message = f"the body is larger than {limit / MB:g} MB; HANDRAIL_MAX_BODY_MB sets the limit"
        super().__init__(413, message, headers={"Connection": "close"})


class TooMany(BodyRefused):
    """All bodies in memory together exceed their limit: 503."""

    def __init__(self, limit: float) -> None:
        message = f"requests in flight hold {limit / MB:g} MB of bodies; HANDRAIL_MAX_BODIES_MB sets the limit"
        super().__init__(503, message, headers={"Retry-After": "1", "Connection": "close"})


class TooManyFields(BodyRefused):
    """A form exceeds MOST_FIELDS: 413."""

    def __init__(self) -> None:
        message = f"the form has more than {MOST_FIELDS:,} fields, empty ones among them: send a file, or JSON"
        super().__init__(413, message, headers={"Connection": "close"})


class Bodies:
    """Counts the bodies of all requests in flight. `held` is the number of bytes received, except of small bodies.

    A body counts until its request is over, because its handler may keep it. `largest` is the limit of one body in
    bytes, `together` that of all bodies. The latter is never less than `largest`, so one body always fits.
    """

    def __init__(self, largest: float, together: float) -> None:
        self.held = 0
        self._largest = largest
        self._together = max(largest, together)

    def limited(self, exchange: Exchange, receive: Receive, bounds: JsonBounds = NO_BOUNDS) -> Receive:
        """`receive` with the limits, and with `bounds` if the body is JSON.

        Raises TooLarge if the Content-Length exceeds the limit of one body. The returned `receive` raises TooLarge,
        TooMany, TooManyFields, TooMuchJson and UnusualNumbers.
        """
        length = exchange.headers.get(b"content-length")
        if length is None:
            return self._counted(exchange, receive, bounds)
        size = int(length)
        if size > self._largest:
            raise TooLarge(self._largest)
        return _small(exchange, receive, bounds) if size <= UNCOUNTED else self._counted(exchange, receive, bounds)

    def release(self, exchange: Exchange) -> None:
        """Subtract the body of a request that is over."""
        self.held -= exchange.body_bytes
        exchange.body_bytes = 0

    def _counted(self, exchange: Exchange, receive: Receive, bounds: JsonBounds) -> Receive:
        read, count, fields = 0, JsonCount(bounds), 0
        is_form = exchange.headers.get(b"content-type", b"").lower().startswith(_FORM)

        def note(message: Message) -> None:
            nonlocal read, fields
            size = len(message.get("body", b""))
            read += size
            if not exchange.is_closed:  # a task of the handler may read on after the request is over
                exchange.body_bytes += size
                self.held += size
            if read > self._largest:
                raise TooLarge(self._largest)
            if size and self.held > self._together:
                exchange.was_rejected = True
                raise TooMany(self._together)
            if size:
                count.add(message["body"])
                fields += message["body"].count(b"&") + message["body"].count(b";") if is_form else 0
            if fields > MOST_FIELDS:
                raise TooManyFields

        return _noted(exchange, receive, note)


def _small(exchange: Exchange, receive: Receive, bounds: JsonBounds) -> Receive:
    """`receive` with the bound of the depth: a few hundred bytes exceed it."""
    seen = b""

    def note(message: Message) -> None:
        nonlocal seen
        body = message.get("body", b"")
        seen = seen + body if seen else body
        if may_be_deep(seen, bounds):
            JsonCount(bounds).add(seen)

    return _noted(exchange, receive, note)


def _noted(exchange: Exchange, receive: Receive, note: Callable[[Message], None]) -> Receive:
    """`receive`, each of whose messages is noted first. `note` may raise BodyRefused."""

    async def noted() -> Message:
        message = await receive()
        try:
            note(message)
        except BodyRefused as refusal:
            if asyncio.current_task() is not exchange.task:  # a middleware's, which wraps it in a group
                exchange.body_refusal = refusal
            raise
        return message

    return noted
