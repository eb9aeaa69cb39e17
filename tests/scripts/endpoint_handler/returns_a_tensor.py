class Tensor:
    """Stands for one of PyTorch's."""

    def tolist(self):
        return [[1.0, 2.0]]


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"embedding": Tensor()}
