class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"thing": object()}
