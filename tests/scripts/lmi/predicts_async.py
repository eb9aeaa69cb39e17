from djl_python.input_parser import init_handler, prediction_handler


@init_handler
async def load(model_dir):
    return "loaded"


@prediction_handler
async def predict(data, model):
    return f"{model} {data['inputs']}"
