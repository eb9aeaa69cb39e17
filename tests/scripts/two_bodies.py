from pydantic import BaseModel


class Ask(BaseModel):
    question: str


async def custom_sagemaker_invocation_handler(ask: Ask, also: Ask | None = None):
    return ask.question
