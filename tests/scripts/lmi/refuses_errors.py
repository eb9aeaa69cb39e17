from djl_python.output_formatter import output_formatter


@output_formatter
def tell(chunk):
    assert "error" not in chunk
    return chunk
