"""Answers chats with the engine, whole or streamed, in the words of the AWS container's decorators."""

from __future__ import annotations

from typing import Any

import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Request, Response
from handrail import Engine


@sagemaker_standards.custom_ping_handler
async def health_check(request: Request) -> Response:
    await request.app.state.engine_client.check_health()
    return Response(status_code=200)


@sagemaker_standards.custom_invocation_handler
async def inference(request: Request, engine: Engine) -> Any:
    return await engine.chat_completions(request=request, model_input=await request.json())
