def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return 1


def output_fn(prediction, accept): ...
