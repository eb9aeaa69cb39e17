from fastapi import HTTPException


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        raise HTTPException(422, "'inputs' is too short")
