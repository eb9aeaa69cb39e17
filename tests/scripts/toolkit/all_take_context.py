import json

SEEN = []


def pre_model_fn(model_dir, context):
    SEEN.append(sorted(context.system_properties))


def model_fn(model_dir, context):
    SEEN.append(context.system_properties["model_dir"] == model_dir)
    return {}


def model_warmup_fn(model_dir, model, context):
    SEEN.append(type(model).__name__)


def input_fn(data, content_type, context):
    return context.get_request_header(0, "X-Who")


def predict_fn(data, model, context):
    return [*SEEN, data]


def output_fn(prediction, accept, context):
    return json.dumps([*prediction, context.get_request_header(0, "X-Who")])
