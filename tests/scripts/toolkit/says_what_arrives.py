import json


def model_fn(model_dir):
    return {}


def input_fn(data, content_type):
    return [type(data).__name__, content_type]


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return json.dumps([*prediction, accept])
