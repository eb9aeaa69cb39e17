"""A handler inside of a middleware that was written for any ASGI server: FOREIGN names which."""

import asyncio
import os

import anyio
from handrail import custom_invocation_handler, custom_middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response


class Zips(GZipMiddleware):
    pass


class SharesOrigins(CORSMiddleware):
    def __init__(self, app):
        super().__init__(app, allow_origins=["https://a.example"])


class TrustsHosts(TrustedHostMiddleware):
    def __init__(self, app):
        super().__init__(app, allowed_hosts=["127.0.0.1"])


class Redirects(HTTPSRedirectMiddleware):
    pass


class IsBaseHttp(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Base"] = "passed"
        return response


class KeepsSessions:
    """Starlette's own, where what it needs is installed."""

    def __init__(self, app):
        from starlette.middleware.sessions import SessionMiddleware

        self.app = SessionMiddleware(app, secret_key="of the test")

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


class _Sends:
    """One that has its own way to send."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def sent(message):
            await self.pass_on(send, message)

        await self.app(scope, receive, sent)


class SendsInATask(_Sends):
    async def pass_on(self, send, message):
        await asyncio.create_task(send(message))


class SendsInAGroup(_Sends):
    async def pass_on(self, send, message):
        async with anyio.create_task_group() as group:
            group.start_soon(send, message)


class SendsWithAllOfAsyncio(_Sends):
    async def pass_on(self, send, message):
        await asyncio.wait_for(asyncio.shield(asyncio.gather(send(message))), 30)


class RaisesInSend(_Sends):
    async def pass_on(self, send, message):
        dict(message.get("headers", ()))[b"x-tenant"]  # the line that a 500 names
        await send(message)


class RaisesAtTheEnd(_Sends):
    async def pass_on(self, send, message):
        if message["type"] == "http.response.body" and not message.get("more_body"):
            raise OSError("the disk is full")
        await send(message)


class SetsABadHeader(_Sends):
    async def pass_on(self, send, message):
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-bad", b"a\r\nb: c")]}
        await send(message)


class DropsAll(_Sends):
    async def pass_on(self, send, message):
        pass


class DropsBodies(_Sends):
    async def pass_on(self, send, message):
        if message["type"] == "http.response.start":
            await send(message)


class SendsLater:
    """It has all of the answer before it sends any of it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        messages = []

        async def keep(message):
            messages.append(message)

        await self.app(scope, receive, keep)
        for message in messages:
            await send(message)


class WrapsReceive:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def received():
            message = await receive()
            return {**message, "body": message.get("body", b"").upper()}

        await self.app(scope, received, send)


class Exits(_Sends):
    async def __call__(self, scope, receive, send):
        raise SystemExit(7)


custom_middleware("throttle")(globals()[os.environ["FOREIGN"]])


class Late(Response):
    """A response of the handler's that sends in tasks of its own."""

    async def __call__(self, scope, receive, send):
        await asyncio.create_task(send({"type": "http.response.start", "status": 200, "headers": self.raw_headers}))
        await asyncio.create_task(send({"type": "http.response.body", "body": self.body}))


@custom_invocation_handler
async def answer(request):
    said = (await request.body()).decode()
    if said.lower() == "late":
        return Late("late")
    return pieces() if said.lower() == "stream" else {"said": said, "more": "x" * 1000}


async def pieces():
    for number in range(50):
        yield f"piece {number} "
