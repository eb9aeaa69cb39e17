def model_fn(model_dir):
    return {}


def predict_fn(data, model, context):
    headers = context.get_all_request_header(0)
    name = data.tolist()[0]
    return [headers.get(name), context.get_request_header(0, name), name in headers]
