from model import Net


def model_fn(model_dir):
    return Net()


def predict_fn(data, model):
    return model.forward(data)
