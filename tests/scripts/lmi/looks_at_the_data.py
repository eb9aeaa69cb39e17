from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, **kwargs):
    inputs = data["inputs"] if isinstance(data, dict) else data
    found = inputs[0] if isinstance(inputs, list) else inputs
    return {"inputs": f"{type(inputs).__name__} {type(found).__name__} {getattr(found, 'size', found)!s}"}
