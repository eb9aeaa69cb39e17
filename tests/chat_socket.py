"""Reads the answers of a chat that goes over a WebSocket."""

from __future__ import annotations

import json
from typing import Any

from websockets.sync.client import ClientConnection


def answer_of(connection: ClientConnection, timeout_s: float) -> list[Any]:
    """The JSON of each message of one answer, to its end; each comes within `timeout_s`."""
    answer: list[Any] = []
    while (said := connection.recv(timeout=timeout_s)) != "[DONE]":
        assert isinstance(said, str)
        answer.append(json.loads(said))
        if "error" in answer[-1]:
            break
    return answer


def text_of(answer: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in answer)
