"""A handler of /invocations: its calls of the engine go to the adapter."""

from __future__ import annotations

from typing import Any

import handrail
from fastapi import Request
from handrail import Engine


@handrail.custom_invocation_handler
async def answer(request: Request, engine: Engine) -> Any:
    body = await request.json()
    if body.get("raise"):
        raise ValueError("as asked")
    given = await engine.completions(model_input={"prompt": body["prompt"]}, request=request)
    return {"adapter": request.state.adapter, "model": given.model, "text": given.choices[0].text}
