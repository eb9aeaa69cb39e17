import numpy


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    return numpy.array([[1, 2], [3, 4]])
