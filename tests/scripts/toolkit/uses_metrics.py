def model_fn(model_dir):
    return {}


def predict_fn(data, model, context):
    context.metrics.add_counter("asked", 1)
    return "counted"
