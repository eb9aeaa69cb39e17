import json


def model_fn(model_dir):
    return "upper"


def transform_fn(model, data, content_type, accept):
    return json.dumps([getattr(json.loads(data), model)(), content_type, accept])
