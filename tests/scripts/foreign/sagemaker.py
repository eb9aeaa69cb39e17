import json


def model_fn(model_dir):
    return {}


def input_fn(data, content_type):
    return json.loads(data)


def predict_fn(data, model):
    return {"mine": data}


def output_fn(prediction, accept):
    return json.dumps(prediction)
