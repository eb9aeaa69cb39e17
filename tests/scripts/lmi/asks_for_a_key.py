import djl_python  # noqa: F401


async def handle(inputs):
    return inputs.get_as_json("adapter")
