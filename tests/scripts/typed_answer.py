from typing import Annotated, Literal

from handrail import Engine
from pydantic import BaseModel, Field


class Part(BaseModel):
    weight: float = Field(ge=2)


class Ask(BaseModel):
    question: str = Field(min_length=6)
    parts: list[Part]
    kind: Literal["short", "long"]
    note: str | None = None


class Answer(BaseModel):
    text: str


async def custom_sagemaker_invocation_handler(ask: Annotated[Ask, "what is asked"], engine: Engine) -> Answer:
    """Answer a question.

    In few words.
    """
    return Answer(text=f"{ask.question} {ask.parts[0].weight}")
