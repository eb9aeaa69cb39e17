from djl_python.async_utils import create_non_stream_output


async def handle(inputs):
    return create_non_stream_output("", error="no room", code=429)
