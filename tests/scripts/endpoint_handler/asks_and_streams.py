class EndpointHandler:
    def __init__(self, path, engine):
        self.engine = engine

    def __call__(self, data):
        for chunk in self.engine.chat(data["inputs"], stream=True):
            yield chunk["choices"][0]["delta"].get("content") or ""
