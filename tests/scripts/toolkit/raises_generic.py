from sagemaker_inference import errors


def model_fn(model_dir):
    return {}


def predict_fn(data, model):
    raise errors.GenericInferenceToolkitError(503)
