"""Functions without marks: the environment says which of them answer."""

import json

from fastapi import Request, Response
from handrail import Engine


async def health_check(request: Request) -> Response:
    return Response(json.dumps({"status": "healthy", "chosen_by": "environment"}), media_type="application/json")


async def inference(request: Request, engine: Engine) -> Response:
    body = await request.json()
    completion = await engine.chat_completions(request=request, model_input=body)
    predictions = [choice.message.content for choice in completion.choices]
    return Response(json.dumps({"predictions": predictions}), media_type="application/json")
