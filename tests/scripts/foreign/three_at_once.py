def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return {"mine": data}


def handle(inputs):
    return {"mine": inputs}


class EndpointHandler:
    def __init__(self, path=""): ...

    def __call__(self, data):
        return {"mine": data}
