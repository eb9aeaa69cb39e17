class EndpointHandler:
    def __init__(self, path, *, engine):
        self.engine = engine

    async def __call__(self, data):
        messages = [{"role": "user", "content": data["inputs"]}]
        answer = await self.engine.chat_completions(model_input={"messages": messages})
        return answer.choices[0].message.content
