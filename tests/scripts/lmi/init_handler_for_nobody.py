from djl_python.input_parser import init_handler
from djl_python.output_formatter import output_formatter


@init_handler
def load(model_dir):
    return 1


@output_formatter
def tell(answer):
    return answer
