class Summarizer:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"summary": data["inputs"]}
