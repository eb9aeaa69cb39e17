from djl_python.async_utils import handle_streaming_response


async def words(text):
    for word in text.split():
        yield word


def shouted(chunk):
    return {"word": chunk.upper()}, False


async def handle(inputs):
    return handle_streaming_response(words(inputs.get_as_json()["inputs"]), shouted)
