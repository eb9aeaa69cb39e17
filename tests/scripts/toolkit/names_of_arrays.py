def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return {name: data[name].tolist() for name in data}
