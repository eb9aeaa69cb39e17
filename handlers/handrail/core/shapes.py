"""OpenAPI schemas of bodies that several handlers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Operation = dict[str, Any]

QUESTION = "What does /ping do?"
STREAM = {"type": "boolean"}
_CONTENT = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"type": "string"}, "content": _CONTENT},
}
CHAT = {
    "type": "object",
    "required": ["messages"],
    "properties": {"messages": {"type": "array", "items": _MESSAGE, "minItems": 1}, "stream": STREAM},
    "examples": [{"messages": [{"role": "user", "content": QUESTION}]}],
}
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [[QUESTION]]}


def operation(summary: str, answer: str, media_types: Mapping[str, Any], **more: Any) -> Operation:
    return {"summary": summary, "responses": {"200": {"description": answer, "content": dict(media_types)}}, **more}


def body(schema: Mapping[str, Any], *, is_required: bool = True) -> dict[str, Any]:
    return {"required": is_required, "content": {"application/json": {"schema": dict(schema)}}}
