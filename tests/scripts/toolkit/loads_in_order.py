CALLS = []


def pre_model_fn(model_dir):
    CALLS.append("pre")


def model_fn(model_dir):
    CALLS.append("model")
    return "m"


def model_warmup_fn(model_dir, model):
    CALLS.append(f"warmup of {model}")


def predict_fn(data, model):
    return CALLS
