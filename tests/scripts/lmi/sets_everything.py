from djl_python import Output


async def handle(inputs):
    output = Output().set_code(201).set_message("made")
    output.add_property("Content-Type", "text/x-mine").add_property("X-Count", 2)
    return output.add("ignored", key="other").add(b"body", key="data").finalize()
