"""The request of `handrail invoke`: its body, headers and path, read from the command line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from handrail.core.slots import Slot

#: The body sent without `--input`.
DEFAULT_INPUT = b'{"messages": [{"role": "user", "content": "Hello!"}]}'
_ASKED_BY_GET = re.compile(
    "/|/ping|/health|/metrics|/openapi.json|/docs|/redoc|/execution-parameters|/(v1/models|adapters)(/[^:]+)?"
)


@dataclass(frozen=True)
class Question:
    """The request to send. `streams` adds `"stream": true` to a JSON object; `key` is the server's API key.

    `given_headers` replace the default headers of the same names.
    """

    given: bytes = DEFAULT_INPUT
    streams: bool = False
    key: str | None = None
    given_headers: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    method: str | None = None

    @property
    def target(self) -> str:
        """The path, with its query if it has one."""
        return f"/{(self.path or Slot.INVOCATION.path).lstrip('/')}"

    @property
    def headers(self) -> dict[str, str]:
        ours = {"Content-Type": "application/json"}
        if self.key:
            ours["Authorization"] = f"Bearer {self.key}"
        given = {name.lower() for name in self.given_headers}
        return {**{name: value for name, value in ours.items() if name.lower() not in given}, **self.given_headers}

    @property
    def body(self) -> bytes:
        if not self.streams:
            return self.given
        try:
            value = json.loads(self.given)
        except (ValueError, RecursionError):  # sent as it is: the handler decides
            return self.given
        return json.dumps({**value, "stream": True}).encode() if isinstance(value, dict) else self.given


def method_of(path: str) -> str:
    """The default method for a path."""
    return "GET" if _ASKED_BY_GET.fullmatch(path.partition("?")[0]) else "POST"


def body(source: str | None) -> bytes:
    """The body that `--input` gives: JSON as it is, standard input for `-`, else a file's bytes. Raises ValueError."""
    if source is None:
        return DEFAULT_INPUT
    if source == "-":
        return sys.stdin.buffer.read()
    if source.lstrip().startswith(("{", "[")) and not Path(source).is_file():
        return source.encode(errors="surrogateescape")
    try:
        return Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"--input is {source!r}, and {_reason(error)}. Give a file, - or JSON: '{{…}}'") from None


def _reason(error: Exception) -> str:
    return f"it cannot be read: {getattr(error, 'strerror', None) or error}"


def headers(lines: Iterable[str]) -> dict[str, str]:
    """The headers that `-H` gives. Raises ValueError."""
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        is_sendable = line.isascii() and line.isprintable() and " " not in name
        if not (colon and name and is_sendable):
            raise ValueError(f"--header is {line!r}: write 'Name: value', such as 'X-Team: search', in ASCII")
        found[name] = value
    return found
