import uvicorn
from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(body: dict):
    return body


uvicorn.run(answer, port=0)
