from djl_python.async_utils import create_non_stream_output
from djl_python.encode_decode import decode


async def handle(inputs):
    request = inputs.get_batches()[0]
    data = decode(request, request.get_property("Content-Type"))
    return create_non_stream_output({"said": data["inputs"]}, properties={"X-Mine": "1"})
