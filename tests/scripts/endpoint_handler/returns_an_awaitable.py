class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return self.answer(data["inputs"])

    async def answer(self, text):
        return text.upper()
