from djl_python.input_parser import input_formatter
from djl_python.output_formatter import output_formatter


@input_formatter
def ask(data, **kwargs):
    return {"inputs": f"Q: {data['question']}"}


@output_formatter
def tell(answer):
    return {"answer": answer["generated_text"]}
