from djl_python.async_utils import create_stream_chunk_output


async def handle(inputs):
    for word in inputs.get_as_json()["inputs"].split():
        yield create_stream_chunk_output({"word": word}, last_chunk=word == "two")
