class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        self.last = data
