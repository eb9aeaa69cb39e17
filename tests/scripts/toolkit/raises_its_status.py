from sagemaker_inference.errors import BaseInferenceToolkitError


class TooLong(BaseInferenceToolkitError):
    def __init__(self):
        super().__init__(422, "the text is too long", "Too Long")


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    raise TooLong
