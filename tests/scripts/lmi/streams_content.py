from djl_python import Output


def pieces(text):
    for word in text.split():
        yield [word]


def handle(inputs):
    if inputs.is_empty():
        return None
    output = Output().add_property("content-type", "application/jsonlines")
    output.add_stream_content(pieces(inputs.get_as_json()["inputs"]))
    return output
