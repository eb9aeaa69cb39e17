class EndpointHandler:
    def __init__(self, *args): ...

    @staticmethod
    def __call__(data):
        return data["inputs"]
