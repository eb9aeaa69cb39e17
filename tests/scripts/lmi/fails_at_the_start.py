from djl_python import Output


def handle(inputs):
    if inputs.is_empty():
        return Output().error("no weights")
    return Output()
