from handrail import custom_ping_handler


@custom_ping_handler
def ping():
    return True


def predict(data):
    return data
