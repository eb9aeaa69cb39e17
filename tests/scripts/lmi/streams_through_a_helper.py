import json

from djl_python.async_utils import handle_streaming_response


async def words(text):
    for word in text.split():
        yield word


def numbered(chunk, history, end):
    history = [*history, chunk]
    return json.dumps({"word": chunk, "seen": len(history)}), chunk == end, history


async def handle(inputs):
    text = inputs.get_as_json()["inputs"]
    return handle_streaming_response(words(text), numbered, accumulate_chunks=True, end="two")
