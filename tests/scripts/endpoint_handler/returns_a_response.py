from starlette.responses import PlainTextResponse


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return PlainTextResponse("mine", 203)
