def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return "never"


def transform_fn(model, data, content_type, accept):
    return "never"
