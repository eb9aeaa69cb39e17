"""What a row of the compatibility table is made of, and the words its rows are written in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A value nobody named; None is a value, and a JSON answer.
UNSAID: Any = object()

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
COMPLETION = {"prompt": "Hello", "max_tokens": 5}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Ask:
    """One HTTP request, or with the method `WS` a WebSocket to which `body` is said: its status is the code it ends
    with. Of several requests `at_once` the last one's answer counts; a client may leave before it has one."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 1
    leaves_after_s: float | None = None

    def __str__(self) -> str:
        times = f"{self.at_once} times " if self.at_once > 1 else ""
        return f"{times}{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What is expected of the answer. An object in `json` may have more keys; `text` is somewhere in the body and
    `without` nowhere; `headers` are exact, and `absent` ones are not there."""

    status: int
    json: Any = UNSAID
    text: str = ""
    without: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


Exchange = tuple[Ask, Answer]


@dataclass(frozen=True)
class Serves:
    """It starts, and answers so. `says` is somewhere in its log by the time it has stopped."""

    exchanges: tuple[Exchange, ...]
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refuses:
    """It does not start. Its exit status (None: any but a clean one), and what it says."""

    status: int | None
    says: tuple[str, ...] = ()


Outcome = Serves | Refuses


@dataclass(frozen=True)
class Scenario:
    """One documented behaviour.

    `theirs` is None where the AWS library is expected to do the same (to refuse, with any status and words of its own,
    where we refuse); else it is what the library does, and `reason` says why we do otherwise, or `fails` what the
    library promises and does not do. `is_ours_alone` is for what only we have.
    """

    name: str
    mirrors: str
    files: Mapping[str, str]
    ours: Outcome
    environment: Mapping[str, str] = field(default_factory=dict)
    theirs: Outcome | None = None
    reason: str = ""
    fails: str = ""
    on_vllm: bool = False
    while_loading: bool = False
    is_ours_alone: bool = False

    @property
    def start(self) -> tuple[object, ...]:
        """Scenarios that start the same way share a server."""
        return (*sorted(self.files.items()), self.while_loading, *sorted(self.environment.items()))

    @property
    def expected_of_theirs(self) -> Outcome:
        if self.theirs is not None:
            return self.theirs
        return self.ours if isinstance(self.ours, Serves) else Refuses(None)


def script(text: str) -> dict[str, str]:
    """The files of a model directory that holds only this `model.py`."""
    return {"model.py": text}


def serves(*exchanges: Exchange, says: tuple[str, ...] = ()) -> Serves:
    return Serves(exchanges, says)


def refuses(status: int | None, *says: str) -> Refuses:
    return Refuses(status, says)


def get(path: str, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    return Ask("GET", path), Answer(status, json, **expected)


def ping(status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    return get("/ping", status, json, **expected)


def post(path: str, sent: Any, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    """`sent` as JSON."""
    return Ask("POST", path, _encode(sent), _JSON), Answer(status, json, **expected)


def invoke(status: int, /, json: Any = UNSAID, *, sent: Any = CHAT, **expected: Any) -> Exchange:
    return post("/invocations", sent, status, json, **expected)


def chat(status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    return post("/v1/chat/completions", CHAT, status, json, **expected)


def raw(body: bytes, media_type: str | None, status: int, /, json: Any = UNSAID, **expected: Any) -> Exchange:
    """POST /invocations with exactly this body and this content type."""
    headers = {"Content-Type": media_type} if media_type else {}
    return Ask("POST", "/invocations", body, headers), Answer(status, json, **expected)


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


#: What the default of each route says, on every engine.
DEFAULT_CHAT = {"object": "chat.completion"}
DEFAULT_COMPLETION = {"object": "text_completion"}
