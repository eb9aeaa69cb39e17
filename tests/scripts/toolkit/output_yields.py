import json


def model_fn(model_dir):
    return ["a", "b"]


def predict_fn(data, model):
    return iter(model)


def output_fn(prediction, accept):
    return (json.dumps(word) + "\n" for word in prediction), "application/jsonlines"
