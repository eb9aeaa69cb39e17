from fastapi import Request, Response
from fastapi.responses import JSONResponse
from model_hosting_container_standards.sagemaker import (
    custom_invocation_handler,
    register_close_session_handler,
    register_create_session_handler,
    stateful_session_manager,
)
from pydantic import BaseModel

OPEN = set()


class Close(BaseModel):
    session_id: str


@register_create_session_handler(engine_response_session_id_path="body.session.id")
async def open_session(raw_request: Request):
    if raw_request.headers.get("x-fail") == "raise":
        raise RuntimeError("the engine is away")
    if raw_request.headers.get("x-fail") == "refuse":
        return JSONResponse({"no": "room"}, 503)
    if raw_request.headers.get("x-fail") == "forget":
        return {"session": None}
    OPEN.add("of-the-engine")
    return {"session": {"id": "of-the-engine"}}


@register_close_session_handler(engine_request_session_id_path="body.session_id", engine_request_model_cls=Close)
async def close_session(close: Close, raw_request: Request):
    if close.session_id not in OPEN:
        return Response("never heard of it", 404)
    OPEN.remove(close.session_id)
    return Response()


@custom_invocation_handler
@stateful_session_manager("session_id")
async def invoke(request: Request):
    return await request.json()
