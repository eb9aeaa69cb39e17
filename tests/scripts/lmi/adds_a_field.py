from djl_python.output_formatter import output_formatter


@output_formatter
def tell(response_data: dict) -> dict:
    response_data["custom"] = True
    return response_data
