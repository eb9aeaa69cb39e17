from djl_python.rolling_batch.rolling_batch import RollingBatch  # noqa: F401


async def handle(inputs):
    return None
