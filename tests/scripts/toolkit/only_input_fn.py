def model_fn(model_dir):
    return {}


def input_fn(data, content_type):
    return data
