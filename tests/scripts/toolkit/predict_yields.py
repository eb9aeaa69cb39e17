def model_fn(model_dir):
    return ["a", "b", "c"]


def predict_fn(data, model):
    for word in model:
        yield word
