"""Formatters as AWS's LMI container calls them: a request of our own form becomes a chat, and its answer ours."""

from djl_python.input_parser import input_formatter
from djl_python.output_formatter import output_formatter


@input_formatter
def ask(data: dict, tokenizer=None, **kwargs) -> dict:
    question = data["question"]
    if len(tokenizer.encode(question)) > 256:
        question = question[:512]
    return {"messages": [{"role": "user", "content": question}], "max_tokens": 64, "temperature": 0}


@output_formatter
def tell(answer) -> dict:
    choice = answer.choices[0]
    return {"answer": choice.message.content, "is_whole": choice.finish_reason == "stop"}
