from pydantic import BaseModel, field_validator


class Ask(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_seven(cls, value: int) -> int:
        if value != 7:
            raise ValueError("only seven will do")
        return value


async def custom_sagemaker_invocation_handler(ask: Ask):
    return ask.number
