def logged(function):
    def call(*args):
        return function(*args)

    return call


def model_fn(model_dir):
    return 3


@logged
def predict_fn(data, model):
    return model
