from djl_python import Output


def handle(inputs):
    data = inputs.get_as_json()
    return Output().add_as_json(data)
