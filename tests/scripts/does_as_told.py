"""A handler that does what the body's `do` names: every way in which an answer can go right or wrong."""

import asyncio
import inspect
import json

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from handrail import custom_invocation_handler
from starlette.background import BackgroundTask


class Broken(Exception):
    pass


def answer(told):
    return {"told": told}


def raise_text(told):
    raise HTTPException(418, "short and stout")


def raise_detail(told):
    raise HTTPException(409, {"conflict": ["a", "b"]}, headers={"X-Why": "because"})


def raise_odd_detail(told):
    raise HTTPException(400, {(1, 2): "a key that JSON has not"})


def raise_no_content(told):
    raise HTTPException(304, headers={"ETag": "1"})


def raise_bad_header(told):
    raise HTTPException(400, "odd", headers={"X-Echo": "a\r\nSet-Cookie: b"})


def raise_bad_status(told):
    raise HTTPException(99, "odd")


def raise_error(told):
    raise Broken("it broke")  # the line that a 500 names


def raise_surrogate(told):
    raise Broken("a file named \udcff")


def raise_long(told):
    raise Broken("é" * 10_000)


async def await_cancelled(told):
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


def decode(told):
    return json.loads("{not json")


def own_request_id(told):
    return Response("ok", headers={"X-Request-Id": "the handler's own"})


def events_fail(told):
    yield {"token": 1}
    raise Broken("midway")


def own_events_fail(told):
    yield "data: 1\n\n"
    raise Broken("midway")


def text_fails(told):
    yield "the beginning"
    raise Broken("midway")


def first_item_fails(told):
    raise HTTPException(402, "before the first item")
    yield


def background_fails(told):
    return JSONResponse({"done": True}, background=BackgroundTask(raise_error, told))


def background_of_a_stream_fails(told):
    events = iter(["data: 1\n\n"])
    return StreamingResponse(events, media_type="text/event-stream", background=BackgroundTask(raise_error, told))


def unserializable(told):
    return {"score": float("nan")}


@custom_invocation_handler
async def told(request: Request):
    body = await request.json()
    if "do" not in body:
        return PlainTextResponse("nothing to do")
    result = globals()[body["do"]](body)
    return await result if inspect.iscoroutine(result) else result
