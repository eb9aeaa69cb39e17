from djl_python.async_utils import create_stream_chunk_output


async def handle(inputs):
    yield create_stream_chunk_output({"word": "one"})
    yield create_stream_chunk_output("", True, error="it broke", code=424)
    raise AssertionError("it is not asked again")
