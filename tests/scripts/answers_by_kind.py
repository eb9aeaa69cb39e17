from fastapi import HTTPException
from starlette.responses import PlainTextResponse, Response

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(body: dict):
    """As the body's `kind` says."""
    kind = body.get("kind")
    if kind == "text":
        return PlainTextResponse("plain")
    if kind == "image":
        return Response(b"PNG", media_type="image/png")
    if kind == "stream":
        return (word for word in ({"word": "a"}, {"word": "b"}))
    if kind == "empty":
        return Response(status_code=204)
    if kind == "broken":
        return Response("{", media_type="application/json")
    if kind == "refuses":
        raise HTTPException(422, "too short")
    if kind == "refuses_plainly":
        return PlainTextResponse("no room", 503)
    if kind == "raises":
        raise KeyError("x")
    return body
