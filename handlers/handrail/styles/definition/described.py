"""Describes a definition's input and output in OpenAPI."""

from __future__ import annotations

from typing import Any

from handrail.core.contract import ANYTHING, Contract
from handrail.core.shapes import CHAT, TEXTS, body, operation
from handrail.styles.definition.schema import Task

#: Input by task; other tasks take any JSON.
_TASKS: dict[Task, dict[str, Any]] = {Task.CHAT: CHAT, Task.EMBEDDINGS: TEXTS}


def contract_of_task(task: Task) -> Contract:
    words = ("The definition's run_inference answers.", "What run_inference returns, in the canonical form.")
    return Contract(operation(*words, {"*/*": ANYTHING}, requestBody=body(_TASKS.get(task, {}))))
