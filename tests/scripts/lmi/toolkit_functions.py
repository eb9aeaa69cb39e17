import json

import djl_python  # noqa: F401


def model_fn(model_dir):
    return "model"


def input_fn(data, content_type):
    return json.loads(data)["inputs"]


def predict_fn(data, model):
    return [data, model]


def output_fn(prediction, accept):
    return json.dumps({"prediction": prediction})
