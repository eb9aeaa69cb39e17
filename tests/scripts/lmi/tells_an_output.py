from djl_python import Output
from djl_python.output_formatter import output_formatter


@output_formatter
def tell(answer):
    return Output(202).add_as_json({"said": answer["generated_text"]}).add_property("X-Said", "yes")
