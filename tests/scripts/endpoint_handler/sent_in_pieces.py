import asyncio


class EndpointHandler:
    def __init__(self, path=""): ...

    async def __call__(self, data):
        for word in data["inputs"].split():
            await asyncio.sleep(0)
            yield word
