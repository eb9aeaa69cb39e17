class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return ({"word": word} for word in data["inputs"].split())
