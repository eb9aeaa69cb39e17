def model_fn(model_dir):
    return ["a", "b"]


def transform_fn(model, data, content_type, accept):
    return (f"{word}\n" for word in model)
