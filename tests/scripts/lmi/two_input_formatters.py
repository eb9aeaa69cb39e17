from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, **kwargs):
    return data


@input_formatter
def ask_again(data, **kwargs):
    return data
