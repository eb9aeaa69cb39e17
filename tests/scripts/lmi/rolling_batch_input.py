from djl_python import Input
from djl_python.input_parser import input_formatter
from djl_python.request_io import TextInput


class Mine(TextInput):
    more: str


@input_formatter
def ask(input_item: Input, **kwargs) -> Mine:
    return Mine()
