from djl_python import Output


def handle(inputs):
    return Output().add_as_json({"empty": inputs.is_empty()})
