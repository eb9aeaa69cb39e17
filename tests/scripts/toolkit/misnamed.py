def predict_fn(data, model):
    return "answered"


def inputs_fn(data, content_type):
    return data
