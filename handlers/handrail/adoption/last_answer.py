"""What a script says of its health, also while it blocks its own loop: then its last answer is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handrail.adoption.own_loop import OwnLoop

#: Seconds that the loop has to respond before it counts as blocked; and the same while there is no answer to repeat.
SOON_S = 0.02
FIRST_S = 0.25


class _Said(NamedTuple):
    value: Any = None
    error: BaseException | None = None


class LastAnswer:
    """Asks again each time; `default` is the answer while there was none."""

    def __init__(self, loop: OwnLoop, default: Any) -> None:
        self._loop = loop
        self._default = default
        self._last: _Said | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What `ask()` gives or raises. It is not asked while the loop is blocked."""
        if not self._loop.is_blocked:
            asking = asyncio.create_task(self._keep(ask))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
            try:
                await self._answered(asking)
            finally:
                asking.cancel()
        value, error = self._last or _Said(self._default)
        if error is not None:
            raise error.with_traceback(None)
        return value

    async def _answered(self, asking: asyncio.Task[None]) -> None:
        """Wait for the answer, as long as the loop responds."""
        while not asking.done():
            patience_s = FIRST_S if self._last is None else SOON_S
            await asyncio.wait({asking}, timeout=patience_s)
            if not asking.done() and not await self._loop.responds(patience_s):
                return

    async def _keep(self, ask: Callable[[], Awaitable[Any]]) -> None:
        try:
            self._last = _Said(await ask())
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised again to whoever asks: a task would end the loop by it
            self._last = _Said(error=error)


def last_ping(loop: OwnLoop, asgi: ASGIApp) -> ASGIApp:
    """`asgi`, which answers /ping on the loop; 200 if it is blocked before the first answer."""
    crossed, last = loop.app(asgi), LastAnswer(loop, None)

    async def ping(scope: Scope, receive: Receive, send: Send) -> None:
        async def messages() -> list[Message]:
            kept: list[Message] = []

            async def keep(message: Message) -> None:
                kept.append(message)

            await crossed(scope, receive, keep)
            return kept

        said: list[Message] | None = await last.ask(messages)
        if said is None:
            await Response()(scope, receive, send)
            return
        for message in said:
            await send({**message, "headers": list(message["headers"])} if "headers" in message else message)

    return ping


def last_health(loop: OwnLoop, is_healthy: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    """`is_healthy` of a model; True if the loop is blocked before the first answer."""
    last = LastAnswer(loop, True)

    async def asked(*, is_fresh: bool = False) -> bool:
        healthy: bool = await last.ask(lambda: loop.run(is_healthy, is_fresh=is_fresh))
        return healthy

    return asked
