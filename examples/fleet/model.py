"""Every conversation begins with the same rules, which the engine reads once: they come first."""

from __future__ import annotations

from typing import Any

from handrail import Engine, custom_invocation_handler
from starlette.requests import Request

RULES = "You answer questions about Handrail, briefly."


@custom_invocation_handler
async def answer(request: Request, engine: Engine) -> dict[str, Any]:
    body = await request.json()
    body["messages"] = [{"role": "system", "content": RULES}, *body["messages"]]
    completion = await engine.chat_completions(request=request, model_input=body)
    return {"text": completion.choices[0].message.content}
