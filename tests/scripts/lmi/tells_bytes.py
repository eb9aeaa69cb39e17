from djl_python.output_formatter import output_formatter


@output_formatter
def tell(answer):
    return b"raw" if isinstance(answer, dict) else b"piece "
