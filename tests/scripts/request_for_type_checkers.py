from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fastapi
    from handrail import Engine


async def custom_sagemaker_invocation_handler(body: fastapi.Request, engine: Engine):
    return {"prompt": (await body.json())["prompt"], "tokens": engine.tokenize("a b")}
