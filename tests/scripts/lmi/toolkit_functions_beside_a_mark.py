from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, **kwargs):
    return {"inputs": "marked"}


def predict_fn(data, model):
    return "of the toolkit"


def model_fn(model_dir):
    return None
