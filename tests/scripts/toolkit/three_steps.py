import json


def model_fn(model_dir):
    return {"greeting": "hello"}


def input_fn(data, content_type):
    return json.loads(data)["name"]


def predict_fn(data, model):
    return f"{model['greeting']} {data}"


def output_fn(prediction, accept):
    return json.dumps({"said": prediction})
