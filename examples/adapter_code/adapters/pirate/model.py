"""The code of the adapter `pirate`: its requests and its answers have a shape of their own."""

from __future__ import annotations

from typing import Any

from phrases import SIGNATURE


def input_formatter(data: dict[str, Any]) -> dict[str, Any]:
    """`{"question": …}` becomes a chat."""
    question = data.pop("question", None)
    if question is None:
        return data
    return {"messages": [{"role": "user", "content": question}], "temperature": 0, **data}


def output_formatter(data: dict[str, Any]) -> dict[str, Any]:
    """A chat's answer becomes `{"answer": …}`, and so does each chunk of one that is streamed."""
    parts = [choice.get("message") or choice["delta"] for choice in data["choices"]]
    return {"answer": "".join(part.get("content") or "" for part in parts), "by": SIGNATURE}
