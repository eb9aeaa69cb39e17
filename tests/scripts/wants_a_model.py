"""A handler whose body is a pydantic model: FastAPI reads it."""

from handrail import custom_invocation_handler
from pydantic import BaseModel


class Question(BaseModel):
    question: str
    times: int = 1


@custom_invocation_handler
async def ask(question: Question):
    return {"answer": question.question * question.times}
