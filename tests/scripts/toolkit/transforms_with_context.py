def model_fn(model_dir):
    return {}


def transform_fn(model, data, content_type, accept, context):
    return context.get_request_header(0, "X-Who"), "text/plain"
