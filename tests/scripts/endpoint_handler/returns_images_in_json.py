from PIL import Image


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"images": [Image.new("RGB", (3, 2))]}
