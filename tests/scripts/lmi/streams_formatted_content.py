from djl_python import Output


def handle(inputs):
    if inputs.is_empty():
        return None
    words = iter(inputs.get_as_json()["inputs"].split())
    return Output().add_property("Content-Type", "text/x-words").add_stream_content(words, lambda word: f"<{word}>")
