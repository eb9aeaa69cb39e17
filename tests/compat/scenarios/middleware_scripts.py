"""The scripts of the middleware's scenarios."""

from __future__ import annotations

#: Everything a script may decorate, and each leaves its trace in the headers.
ALL_DECORATED = """
import json
from model_hosting_container_standards.common.fastapi.middleware import (
    custom_middleware,
    input_formatter,
    output_formatter,
)

def trace(response, name):
    response.headers["X-Order"] = response.headers.get("X-Order", "") + name + ","

@custom_middleware("throttle")
async def throttle(request, call_next):
    response = await call_next(request)
    response.headers["X-Throttle"] = "applied"
    trace(response, "throttle")
    return response

@input_formatter
async def before(request):
    request.scope.setdefault("state", {})["seen_by"] = "before"
    before.calls = getattr(before, "calls", 0) + 1
    return request

@output_formatter
async def after(response):
    response.headers["X-After"] = "applied"
    if getattr(before, "calls", 0):
        response.headers["X-Before"] = "applied"
    if hasattr(response, "body") and response.body.startswith(b"{"):
        response.body = json.dumps({**json.loads(response.body), "processed": True}).encode()
    trace(response, "after")
    return response
"""

TRACKS_PING = """
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware

@custom_middleware("pre_post_process")
async def track(request, call_next):
    response = await call_next(request)
    if request.url.path == "/ping":
        response.headers["X-Ping-Tracked"] = "true"
    return response
"""

#: Every kind of middleware twice, for the variables to choose from: what ran is in the headers.
BY_REFERENCE = """
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware

@custom_middleware("throttle")
async def decorated_throttle(request, call_next):
    response = await call_next(request)
    response.headers["X-Throttle"] = "decorator"
    return response

@custom_middleware("pre_post_process")
async def decorated_around(request, call_next):
    response = await call_next(request)
    response.headers["X-Around"] = "decorator"
    return response

async def throttle(request, call_next):
    response = await call_next(request)
    response.headers["X-Throttle"] = "environment"
    return response

async def around(request, call_next):
    response = await call_next(request)
    response.headers["X-Around"] = "environment"
    return response

async def before(request):
    before.calls = getattr(before, "calls", 0) + 1
    return request

async def after(response):
    response.headers["X-After"] = f"after {getattr(before, 'calls', 0) > 0}"
    return response
"""

FORMATTERS_AND_COMBINED = """
from model_hosting_container_standards.common.fastapi.middleware import (
    custom_middleware,
    input_formatter,
    output_formatter,
)

@custom_middleware("pre_post_process")
async def around(request, call_next):
    response = await call_next(request)
    response.headers["X-Around"] = "combined"
    return response

@output_formatter
async def after(response):
    response.headers["X-After"] = "separate"
    return response
"""

#: A decorated pair, and another for the variables: one of each kind can be put together with the other's other.
ONE_FORMATTER_EACH = """
from model_hosting_container_standards.common.fastapi.middleware import input_formatter, output_formatter

RAN = []

@input_formatter
async def decorated_before(request):
    RAN.append("decorated before")
    return request

@output_formatter
async def decorated_after(response):
    response.headers["X-Ran"] = ",".join([*RAN, "decorated after"])
    RAN.clear()
    return response

async def before(request):
    RAN.append("before")
    return request

async def after(response):
    response.headers["X-Ran"] = ",".join([*RAN, "after"])
    RAN.clear()
    return response
"""

#: What each does is asked for in the query.
SWITCHED = """
from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware
from model_hosting_container_standards.sagemaker import custom_invocation_handler

@custom_middleware("throttle")
async def throttle(request: Request, call_next):
    request.scope["trail"] = ["throttle"]
    case = request.query_params.get("throttle")
    if case == "answers":
        return JSONResponse({"by": "throttle"}, 429, {"Retry-After": "7"})
    if case == "raises":
        raise HTTPException(429, "slow down")
    return await call_next(request)

@custom_middleware("pre_post_process")
async def around(request: Request, call_next):
    request.scope.setdefault("trail", []).append("around")
    case = request.query_params.get("around")
    if case == "breaks":
        raise RuntimeError("what the client should not read")
    response = await call_next(request)
    response.headers["X-Status"] = str(response.status_code)
    if case == "gathers":
        body = b"".join([piece async for piece in response.body_iterator])
        return Response(body.replace(b"handler", b"gathered"), response.status_code, media_type="application/json")
    return response

@custom_invocation_handler
async def invoke(request: Request):
    if request.query_params.get("handler") == "refuses":
        raise HTTPException(404, "no such thing")
    if request.query_params.get("handler") == "breaks":
        raise KeyError("prompt")
    return {"by": "handler", "trail": request.scope["trail"] + ["handler"]}
"""

ASGI_CLASSES = """
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware

class AddsHeader:
    header = (b"x-around", b"class")

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_header(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self.header]
            await send(message)
        await self.app(scope, receive, send_with_header if scope["type"] == "http" else send)

@custom_middleware("throttle")
class Throttle(AddsHeader):
    header = (b"x-throttle", b"class")
"""

CALLABLE_IN_NO_WAY = "throttle = None\n"

WRONG_ARITY = """
async def throttle(request):
    return request

async def before(request, call_next):
    return await call_next(request)
"""

TWO_THROTTLES = """
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware

@custom_middleware("throttle")
async def first(request, call_next):
    return await call_next(request)

@custom_middleware("throttle")
async def second(request, call_next):
    return await call_next(request)
"""

TWO_FORMATTERS = """
from model_hosting_container_standards.common.fastapi.middleware import input_formatter

@input_formatter
async def first(request):
    return request

@input_formatter
async def second(request):
    return request
"""

UNKNOWN_NAME = """
from model_hosting_container_standards.common.fastapi.middleware import custom_middleware

@custom_middleware("throtle")
async def throttle(request, call_next):
    return await call_next(request)
"""
