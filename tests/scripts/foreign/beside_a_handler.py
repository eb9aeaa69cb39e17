from handrail import custom_invocation_handler


@custom_invocation_handler
async def answer(body: dict):
    return body


def predict_fn(data, model):
    return data


def predict(data):
    return data
