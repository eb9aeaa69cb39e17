def model_fn(model_dir):
    return {}


def predict_fn(data, model, context):
    if "status" in data:
        context.set_response_status(data["status"], "by the script")
    if "header" in data:
        context.set_response_header(0, data["header"], data["value"])
    if "type" in data:
        context.set_response_content_type(0, data["type"])
    return "done"


def input_fn(data, content_type):
    import json

    return json.loads(data)


def output_fn(prediction, accept):
    return prediction
