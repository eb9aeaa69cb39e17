import no_such_package  # noqa: F401
from djl_python import Output


async def handle(inputs):
    return Output()
