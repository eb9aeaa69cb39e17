def model_fn(model_dir):
    return {}


def predict_fn(data, model, *, context):
    return context.get_request_header(0, "X-Who")
