import djl_python  # noqa: F401


async def handle(inputs):
    raise ValueError("no luck")
