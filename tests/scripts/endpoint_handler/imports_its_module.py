from net import answer


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return answer(data["inputs"])
