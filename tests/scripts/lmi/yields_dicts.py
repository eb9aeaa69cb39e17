import djl_python  # noqa: F401


async def handle(inputs):
    for word in inputs.get_as_json()["inputs"].split():
        yield {"word": word}
