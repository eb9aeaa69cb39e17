from handrail import on_startup


@on_startup
def warm(): ...


def predict_fn(data, model):
    return "answered"
