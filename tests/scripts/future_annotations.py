from __future__ import annotations

from fastapi import Request
from pydantic import BaseModel


class Body(BaseModel):
    prompt: str


async def custom_sagemaker_invocation_handler(request: Request, body: Body):
    return {"prompt": body.prompt, "method": request.method}
