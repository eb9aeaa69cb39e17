from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, adapter_name=None):
    return {**data, "model": adapter_name}
