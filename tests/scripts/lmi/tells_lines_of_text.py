from djl_python.output_formatter import output_formatter


@output_formatter
def tell(chunk):
    return "" if "[DONE]" in chunk else "a\nb"
