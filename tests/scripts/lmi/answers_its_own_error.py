from djl_python import Output


async def handle(inputs):
    return Output().add("dropped").error("no such thing", code=404, message="gone")
