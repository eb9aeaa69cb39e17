"""Answers with what the engine generated, and says which replica did."""

from __future__ import annotations

import os
from typing import Any

from handrail import Engine, custom_invocation_handler
from starlette.requests import Request


@custom_invocation_handler
async def answer(request: Request, engine: Engine) -> dict[str, Any]:
    body = await request.json()
    completion = await engine.chat_completions(request=request, model_input=body)
    return {"text": completion.choices[0].message.content, "replica": os.getpid()}
