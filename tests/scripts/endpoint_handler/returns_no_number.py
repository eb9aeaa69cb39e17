class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"score": float("nan"), "most": float("inf"), "least": 1.5}
