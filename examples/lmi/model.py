"""Formatters as AWS's LMI container calls them: a request of our own form becomes a chat, and its answer ours."""

from typing import Any

from djl_python.input_parser import input_formatter
from djl_python.output_formatter import output_formatter


@input_formatter
def ask(data: dict[str, Any], tokenizer: Any = None, **kwargs: Any) -> dict[str, Any]:
    question = data["question"]
    if len(tokenizer.encode(question)) > 256:
        question = question[:512]
    return {"messages": [{"role": "user", "content": question}], "max_tokens": 64, "temperature": 0}


@output_formatter
def tell(answer: Any) -> dict[str, Any]:
    choice = answer.choices[0]
    return {"answer": choice.message.content, "is_whole": choice.finish_reason == "stop"}
