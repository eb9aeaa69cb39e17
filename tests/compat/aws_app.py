"""A server shaped like vLLM's that leaves its handlers to the AWS library: python aws_app.py HOST PORT.

The library's decorators stand on the default routes in vLLM's order, and `bootstrap` comes last, as in vLLM. The
defaults themselves say hello in the shape of OpenAI's API.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import model_hosting_container_standards.sagemaker as sagemaker_standards
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response

router = APIRouter()

ROUTES = {"messages": "chat.completion", "prompt": "text_completion"}


async def require_json(raw_request: Request) -> None:
    media_type = raw_request.headers.get("content-type", "").partition(";")[0]
    if media_type.lower() != "application/json":
        raise HTTPException(400, "Only 'application/json' is allowed")


@router.post("/ping", response_class=Response)
@router.get("/ping", response_class=Response)
@sagemaker_standards.register_ping_handler
async def ping(raw_request: Request) -> Response:
    return Response(status_code=200)


@router.post("/invocations", dependencies=[Depends(require_json)])
@sagemaker_standards.register_invocation_handler
@sagemaker_standards.stateful_session_manager()
@sagemaker_standards.inject_adapter_id(adapter_path="model")
async def invocations(raw_request: Request) -> Any:
    try:
        body = await raw_request.json()
    except json.JSONDecodeError as error:
        raise HTTPException(400, f"JSON decode error: {error}") from error
    for key, kind in ROUTES.items():
        if key in body:
            return answer(kind, body)
    raise HTTPException(400, "Cannot find suitable handler for request")


@router.post("/v1/chat/completions", dependencies=[Depends(require_json)])
async def chat_completions(raw_request: Request) -> Any:
    return answer("chat.completion", await raw_request.json())


@router.get("/metrics")
async def metrics() -> Response:
    return Response("# HELP nothing to tell\n", media_type="text/plain")


def answer(kind: str, body: Any) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": "Hello"}} if kind == "chat.completion" else {"text": "Hello"}
    return {"object": kind, "model": body.get("model"), "choices": [{"index": 0, "finish_reason": "stop", **said}]}


if __name__ == "__main__":
    app = FastAPI()
    app.include_router(router)
    sagemaker_standards.bootstrap(app)
    uvicorn.run(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning")
