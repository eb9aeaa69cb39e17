def model_fn(model_dir):
    return {}


def predict_fn(data):
    return "never"
