from djl_python.input_parser import init_handler, input_formatter, prediction_handler
from djl_python.output_formatter import output_formatter


@init_handler
def load(model_dir, **kwargs):
    return {"dir": model_dir.rsplit("/", 1)[-1]}


@input_formatter
def ask(data, **kwargs):
    return data["inputs"]


@prediction_handler
def predict(data, model):
    return [data, model["dir"]]


@output_formatter
def tell(prediction):
    return {"prediction": prediction}
