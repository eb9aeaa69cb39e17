from djl_python import Output


async def handle(inputs):
    return Output().set_code(7)
