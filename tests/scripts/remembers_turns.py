from fastapi import HTTPException, Request

from handrail import custom_invocation_handler


@custom_invocation_handler
async def chat(request: Request):
    body = await request.json()
    session = request.state.session
    if not isinstance(body, dict) or session is None:
        return {"session": session and session.id, "got": body}
    if body.get("fail"):
        raise HTTPException(418, "as asked")
    async with session.lock:
        turns = [*session.get("turns", []), body["say"]]
        session.set("turns", turns)
    return {"id": session.id, "turns": turns, "expires": session.expires.isoformat()}
