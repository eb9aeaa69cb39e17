def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return "a"


def output_fn(prediction, accept):
    return prediction, "text/plain", 201
