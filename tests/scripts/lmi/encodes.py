from djl_python import Output
from djl_python.encode_decode import encode


async def handle(inputs):
    kind, output = inputs.get_property("Accept"), Output()
    encode(output, [{"a": 1, "b": 2}], kind)
    return output
