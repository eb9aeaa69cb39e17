"""A chat that remembers its turns: a client that has a session sends what is new, and no more."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Request
from handrail import Engine, custom_invocation_handler

#: The model need not read more of a long conversation than this.
LONGEST = 20


@custom_invocation_handler
async def chat(request: Request, engine: Engine) -> dict[str, Any]:
    """The answer to `{"message": …}`, and how many messages the session has by now; 0 where there is no session."""
    body = await request.json()
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        raise HTTPException(400, 'send {"message": "…"}')
    asked = {"role": "user", "content": body["message"]}
    session = request.state.session
    if session is None:
        return {"answer": await answer(engine, request, [asked]), "remembered": 0}
    async with session.lock:  # of two requests at once, the second sees what the first was told
        turns = [*session.get("turns", []), asked]
        said = await answer(engine, request, turns[-LONGEST:])
        turns.append({"role": "assistant", "content": said})
        session.set("turns", turns)
    return {"answer": said, "remembered": len(turns)}


async def answer(engine: Engine, request: Request, messages: list[dict[str, Any]]) -> str:
    completion = await engine.chat_completions(request=request, model_input={"messages": messages, "max_tokens": 100})
    return str(completion.choices[0].message.content)
