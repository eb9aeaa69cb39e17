def model_fn(model_dir, context):
    return context.get_request_header(0, "X-Who")


def predict_fn(data, model):
    return "never"
