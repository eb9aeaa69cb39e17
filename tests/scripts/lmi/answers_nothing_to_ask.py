from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, **kwargs):
    data["inputs"] = "x"
