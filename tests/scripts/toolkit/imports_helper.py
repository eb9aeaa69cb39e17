from helper import answer


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return answer(data)
