class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return "EndpointHandler"


class Mine(EndpointHandler):
    def __call__(self, data):
        return "Mine"
