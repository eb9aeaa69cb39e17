from sagemaker_inference import errors


def predict_fn(data, model):
    raise errors.BaseInferenceToolkitError("bad", "the status is no number", "")
