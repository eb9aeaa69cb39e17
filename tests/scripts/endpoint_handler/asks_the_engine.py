class EndpointHandler:
    def __init__(self, path="", engine=None):
        self.engine = engine

    def __call__(self, data):
        answer = self.engine.chat(data["inputs"], **data.get("parameters", {}))
        return [{"generated_text": answer.choices[0].message.content}]
