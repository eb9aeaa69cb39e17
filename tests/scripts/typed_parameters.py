from typing import Annotated

from fastapi import Cookie, Header, Query
from pydantic import BaseModel


class Ask(BaseModel):
    text: str = "what is asked"


async def custom_sagemaker_invocation_handler(
    ask: Ask,
    x_tenant: Annotated[str, Header(examples=["the team's"])],
    often: Annotated[int, Query(ge=2)],
    how: Annotated[str, Query(examples=["fast & well"])],
    mood: Annotated[str, Cookie()] = "good",
):
    return {"tenant": x_tenant, "often": often, "how": how, "text": ask.text, "mood": mood}
