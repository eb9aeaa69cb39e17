from djl_python.output_formatter import output_formatter


@output_formatter
def tell(answers):
    return [answer.generated_text.upper() for answer in answers]
