from starlette.responses import PlainTextResponse


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return PlainTextResponse("made", 201)
