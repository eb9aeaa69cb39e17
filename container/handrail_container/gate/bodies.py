"""How large the bodies of requests may be: each of them, and all that are held at once."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import Message, Receive

from handrail_container.gate.exchange import Exchange
from handrail_container.http.json_bounds import NO_BOUNDS, UNCOUNTED, JsonBounds, JsonCount

#: Fields of a form, and what stands between them: a parser calls back for each. Starlette takes 1,000 fields that are
#: not empty.
MOST_FIELDS = 100_000
_FORM = b"application/x-www-form-urlencoded"
#: As SageMaker has counted its limits of a body: what it lets through is taken.
MB = 1 << 20


class TooLarge(HTTPException):
    """FastAPI's own kind, which it passes on where it reads the body; it takes any other for bad JSON."""

    def __init__(self, limit: float) -> None:
        message = f"the body is larger than {limit / MB:g} MB; HANDRAIL_MAX_BODY_MB sets the limit"
        super().__init__(413, message, headers={"Connection": "close"})


class TooMany(HTTPException):
    """The bodies of other requests take all the memory that there is for them."""

    def __init__(self, limit: float) -> None:
        message = f"requests in flight hold {limit / MB:g} MB of bodies; HANDRAIL_MAX_BODIES_MB sets the limit"
        super().__init__(503, message, headers={"Retry-After": "1", "Connection": "close"})


class TooManyFields(HTTPException):
    """Of a form."""

    def __init__(self) -> None:
        message = f"the form has more than {MOST_FIELDS:,} fields, empty ones among them: send a file, or JSON"
        super().__init__(413, message, headers={"Connection": "close"})


class Bodies:
    """`held` are the bytes of large bodies that have come, of all requests in flight: a handler may hold what it has
    read for as long as it runs. One body always has room."""

    def __init__(self, largest: float, together: float) -> None:
        self.held = 0
        self._largest = largest
        self._together = max(largest, together)

    def limited(self, exchange: Exchange, receive: Receive, bounds: JsonBounds = NO_BOUNDS) -> Receive:
        """`receive` with the limits upheld. Raises TooLarge where the announced length is already over its own."""
        length = exchange.headers.get(b"content-length")
        if length is None:
            return self._counted(exchange, receive, bounds)
        size = int(length)
        if size > self._largest:
            raise TooLarge(self._largest)
        return receive if size <= UNCOUNTED else self._counted(exchange, receive, bounds)

    def release(self, exchange: Exchange) -> None:
        """It is over."""
        self.held -= exchange.body_bytes
        exchange.body_bytes = 0

    def _counted(self, exchange: Exchange, receive: Receive, bounds: JsonBounds) -> Receive:
        read, count, fields = 0, JsonCount(bounds), 0
        is_form = exchange.headers.get(b"content-type", b"").lower().startswith(_FORM)

        async def counted() -> Message:
            nonlocal read, fields
            message = await receive()
            size = len(message.get("body", b""))
            read += size
            if not exchange.is_closed:  # what a task of the handler's reads later is nobody's
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
            return message

        return counted
