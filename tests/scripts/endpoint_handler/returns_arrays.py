import numpy


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"scores": numpy.array([0.5, 2.0]), "best": numpy.int64(1), "all": [numpy.float32(0.5)]}
