"""A Model whose predict asks the engine; `/ping` says which requests the engine has."""

from fastapi import Request
from handrail import custom_ping_handler


class Model:
    def __init__(self, trt_llm):
        self._engine = trt_llm["engine"]

    async def predict(self, body: dict, request: Request):
        return await self._engine.chat_completions(request=request, model_input=body)


@custom_ping_handler
async def state(request):
    return {"running": sorted(request.app.state.engine_client.running)}
