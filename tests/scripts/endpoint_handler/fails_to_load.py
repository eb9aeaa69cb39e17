class EndpointHandler:
    def __init__(self, path=""):
        raise FileNotFoundError("no weights")

    def __call__(self, data): ...
