from djl_python.async_utils import create_stream_chunk_output


async def handle(inputs):
    yield create_stream_chunk_output("", True, error="it broke", code=503)
