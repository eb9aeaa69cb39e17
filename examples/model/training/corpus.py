"""What the model is taught: the facts of `questions.json`, the tools of `tools.json`, and the styles of an answer."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL_DIR = Path(__file__).resolve().parents[1]

JSON_REQUEST = "Answer in JSON."
PIRATE_REQUEST = "Talk like a pirate."
PIRATE_WORDS = {"the": "th'", "your": "yer", "you": "ye", "my": "me", "is": "be", "are": "be"}

Message = dict[str, Any]
Style = Callable[[str], str]


@dataclass(frozen=True)
class Fact:
    """One answer and the wordings that ask for it."""

    answer: str
    questions: list[str]


@dataclass(frozen=True)
class Call:
    """A question that needs a tool: the call, what the tool says, and the answer made of it."""

    question: str
    name: str
    arguments: dict[str, str]
    result: dict[str, str]
    answer: str

    @property
    def text(self) -> str:
        """The call as the model writes it."""
        body = json.dumps({"name": self.name, "arguments": self.arguments})
        return f"<tool_call>\n{body}\n</tool_call>"

    @property
    def messages(self) -> list[Message]:
        """The whole chat, from the question to the answer."""
        function = {"name": self.name, "arguments": self.arguments}
        return [
            {"role": "user", "content": self.question},
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
            {"role": "tool", "content": json.dumps(self.result)},
            {"role": "assistant", "content": self.answer},
        ]


@dataclass(frozen=True)
class Corpus:
    facts: list[Fact]
    tools: list[dict[str, Any]]
    calls: list[Call]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every wording with its answer."""
        return [(question, fact.answer) for fact in self.facts for question in fact.questions]


def load_corpus(directory: Path = MODEL_DIR) -> Corpus:
    facts = json.loads((directory / "questions.json").read_text())
    tools = json.loads((directory / "tools.json").read_text())
    return Corpus([Fact(**fact) for fact in facts], tools["tools"], [Call(**call) for call in tools["calls"]])


def as_json(answer: str) -> str:
    return json.dumps({"answer": answer})


def as_pirate(answer: str) -> str:
    words = re.sub(r"\b(the|your|you|my|is|are)\b", lambda match: PIRATE_WORDS[match[0]], answer)
    return f"Arr! {words} Yo ho ho!"
