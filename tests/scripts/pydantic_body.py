from pydantic import BaseModel, Field


class Body(BaseModel):
    prompt: str
    max_tokens: int = Field(default=16, ge=1)


def custom_sagemaker_invocation_handler(body: Body):
    return {"prompt": body.prompt, "max_tokens": body.max_tokens}
