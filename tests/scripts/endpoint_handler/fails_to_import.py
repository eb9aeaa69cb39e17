import no_such_package


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data): ...
