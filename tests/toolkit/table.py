"""What a row is made of: a script, a request, and the answer that is expected of Handrail."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers import SCRIPTS

#: A value nobody named; None is a JSON answer.
UNSAID: Any = object()
SCRIPT = "code/inference.py"
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """An answer, expected or measured: `text` is somewhere in it. A start that is refused has only a `text`."""

    status: int | None = 200
    json: Any = UNSAID
    text: str = ""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def is_start(self) -> bool:
        return self.status is not None

    def fits(self, seen: Answer) -> bool:
        """Whether what was seen is what this expects."""
        if self.status is None:
            return seen.status is None and self.text in seen.text
        body = seen.body or b""
        return (
            seen.status == self.status
            and (self.json is UNSAID or _parsed(body) == self.json)
            and self.text.encode() in body
            and self.content_type in (None, seen.content_type)
            and (self.body is None or self.body == body)
            and self.headers.items() <= {name.lower(): value for name, value in seen.headers.items()}.items()
        )


@dataclass(frozen=True)
class Row:
    """One behaviour. `reason` says why Handrail differs on purpose, `fails` what the toolkit does not do that its user
    may expect; a row with neither is the same on both."""

    name: str
    script: str
    ours: Answer
    body: bytes = b"[1, 2]"
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    reason: str = ""
    fails: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Further files of the model directory, by path; each is a script.
    beside: Mapping[str, str] = field(default_factory=dict)
    place: str = SCRIPT

    @property
    def files(self) -> dict[str, str]:
        named = {self.place: self.script, **self.beside}
        return {path: (SCRIPTS / "toolkit" / f"{name}.py").read_text() for path, name in named.items()}

    def for_original(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "files": self.files,
            "environment": dict(self.environment),
            "headers": dict(self.headers),
            "body": base64.b64encode(self.body).decode(),
        }


def measured(recorded: Mapping[str, Any]) -> Answer:
    """An answer as `original.py` writes it."""
    if "refused" in recorded:
        return Answer(None, text=recorded["refused"])
    headers, body = recorded["headers"], base64.b64decode(recorded["body"])
    return Answer(recorded["status"], content_type=recorded["content_type"], headers=headers, body=body)


def refused(text: str) -> Answer:
    return Answer(None, text=text)


def sends(content_type: str | None, **headers: str) -> dict[str, str]:
    """Headers by their names with `_` for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return given if content_type is None else {"Content-Type": content_type, **given}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return UNSAID
