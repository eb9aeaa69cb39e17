from djl_python.input_parser import prediction_handler


@prediction_handler
def predict(data, model):
    for word in data["inputs"].split():
        yield {"word": word}
