"""What a row is made of: a script, a request, the answer that is expected, and what LMI does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers import SCRIPTS
from tests.toolkit.table import Answer

_JSON = {"Content-Type": "application/json"}
SSE, LINES, JSON = "text/event-stream; charset=utf-8", "application/jsonlines", "application/json"


@dataclass(frozen=True)
class Row:
    """`lmi` and `ours` are what the table says; a row with a `why` differs on purpose, for that reason."""

    name: str
    script: str
    answer: Answer
    lmi: str
    ours: str = "the same"
    why: str = ""
    body: Any = field(default_factory=lambda: {"inputs": "one two three"})
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Further files of the model directory, by path; each is a script.
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, str]:
        named = {"model.py": self.script, **self.beside}
        return {path: (SCRIPTS / "lmi" / f"{name}.py").read_text() for path, name in named.items()}

    @property
    def sent(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def stream(text: str = "one two", **more: Any) -> dict[str, Any]:
    return {"inputs": text, "stream": True, **more}


def chat(text: str = "one two", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def sent_as(content_type: str, **more: str) -> dict[str, str]:
    return {"Content-Type": content_type, **more}
