from pydantic import BaseModel


class Message(BaseModel):
    role: str
    content: str | list[dict[str, str]]


class Chat(BaseModel):
    messages: list[Message]


def custom_sagemaker_invocation_handler(chat: Chat):
    return {"count": len(chat.messages)}
