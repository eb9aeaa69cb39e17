"""Two handlers, marked by decorators: they answer a chat or a prompt with the text the engine generated."""

from typing import Any

from fastapi import HTTPException, Request
from handrail import Engine, custom_invocation_handler, custom_ping_handler


@custom_ping_handler
async def ping() -> dict[str, str]:
    return {"status": "healthy", "served_by": "examples/quickstart"}


@custom_invocation_handler
async def answer(request: Request, engine: Engine) -> Any:
    body = await request.json()
    if not isinstance(body, dict):
        raise HTTPException(400, 'send {"messages": [...]} or {"prompt": "..."}')
    if "messages" in body:
        completion = await engine.chat_completions(request=request, model_input=body)
    elif "prompt" in body:
        completion = await engine.completions(request=request, model_input=body)
    else:
        raise HTTPException(400, f'send {{"messages": [...]}} or {{"prompt": "..."}}, not {sorted(body)}')
    if body.get("stream"):
        return completion  # server-sent events, as OpenAI's clients read them
    choice = completion.choices[0]
    return {"text": choice.message.content if "messages" in body else choice.text, "usage": completion.usage}
