from __future__ import annotations

from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(ask: Ask, engine: Engin):
    return {}
