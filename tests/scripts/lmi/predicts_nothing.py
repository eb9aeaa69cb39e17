from djl_python.input_parser import prediction_handler


@prediction_handler
def predict(data, model):
    print(data)
