def model_fn(model_dir):
    return {}


def predict_fn(data, model, temperature=0.5):
    return str(temperature)
