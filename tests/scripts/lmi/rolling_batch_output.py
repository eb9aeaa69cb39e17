from djl_python.output_formatter import TextGenerationOutput, output_formatter


@output_formatter
def tell(request_output: "TextGenerationOutput") -> str:
    return ""
