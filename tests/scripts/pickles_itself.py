import pickle


class Weights:
    value = 7


COPY = pickle.loads(pickle.dumps(Weights()))


def custom_sagemaker_invocation_handler():
    return {"value": COPY.value, "same_class": type(COPY) is Weights}
