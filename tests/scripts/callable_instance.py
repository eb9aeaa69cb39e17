from dataclasses import dataclass

from handrail import custom_invocation_handler


@dataclass
class Handler:
    prefix: str

    async def __call__(self, request):
        return {"answer": self.prefix + (await request.json())["prompt"]}


handler = custom_invocation_handler(Handler("> "))
