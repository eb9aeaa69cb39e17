def model_fn(model_dir):
    return {}


def predict_fn(data, model, context):
    known = context.system_properties
    return [sorted(known), known["model_dir"].endswith("ml"), known["batch_size"], type(context.get_request_id(0)).__name__]
