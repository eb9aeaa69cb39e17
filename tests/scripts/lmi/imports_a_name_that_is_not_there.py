from djl_python.output_formatter import sse_response_formatter  # noqa: F401


async def handle(inputs):
    return None
