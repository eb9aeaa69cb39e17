from djl_python.input_parser import input_formatter


@input_formatter
def ask(data, tokenizer=None, **kwargs):
    if "question" in data:
        data["inputs"] = data.pop("question")
    data.setdefault("parameters", {})["max_new_tokens"] = 2
    return data
