from djl_python.output_formatter import output_formatter


@output_formatter
def tell(answer):
    return {"dumped": answer.model_dump(), "as_json": answer.model_dump_json()}
