from djl_python.output_formatter import output_formatter


@output_formatter
async def tell(answer):
    answer["custom"] = True
    return answer
