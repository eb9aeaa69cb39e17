from djl_python.output_formatter import output_formatter


@output_formatter
def tell(response):
    first = response.choices[0]
    if hasattr(first, "message"):
        first.message.content = first.message.content.upper()
    else:
        first.text = first.text.upper()
    return response
