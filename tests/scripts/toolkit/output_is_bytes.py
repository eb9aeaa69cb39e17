def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return b"\x00\x01"


def output_fn(prediction, accept):
    return prediction, "application/octet-stream"
