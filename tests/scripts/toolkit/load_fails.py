def model_fn(model_dir):
    raise FileNotFoundError("no weights")


def predict_fn(data, model):
    return "never"
