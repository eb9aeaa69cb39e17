"""What the demo model was taught, for tests of what it answers."""

from __future__ import annotations

import json
from typing import Any

from tests.examples import EXAMPLES, MODEL

FACTS: list[dict[str, Any]] = json.loads((MODEL / "questions.json").read_text())
PING = "What does /ping do?"
EXIT_3 = "What does exit code 3 mean?"
#: The LoRA that makes a pirate of the demo model, and what it says to PING.
PIRATE = EXAMPLES / "lora" / "adapter"
ARR = "Arr! It answers 200 when th' server be ready and 503 when it be not. Yo ho ho!"


def answer_to(question: str) -> str:
    return next(str(fact["answer"]) for fact in FACTS if question in fact["questions"])


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def conversation(turns: int) -> list[dict[str, str]]:
    """So many questions and their answers: a beginning that many requests share."""
    pairs = [(user(fact["questions"][0]), {"role": "assistant", "content": fact["answer"]}) for fact in FACTS[:turns]]
    return [message for pair in pairs for message in pair]
