"""What a row is made of: a handler, a request, the answer that is expected, and what Hugging Face's toolkit does."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from tests.servers import SCRIPTS
from tests.toolkit.in_process import serving
from tests.toolkit.table import Answer, refused, sends

__all__ = ["ASKS", "Answer", "Row", "ask", "body", "gives", "png", "refused", "sends"]

ASKS: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Row:
    """One behaviour. `here` and `there` are what the table says of Handrail and of the toolkit; `there` is "" where it
    is the same, and `why` has the reason where it is not. The rest is held by the test."""

    name: str
    script: str
    here: str
    answer: Answer
    there: str = ""
    why: str = ""
    body: bytes = b'{"inputs": "a b"}'
    headers: Mapping[str, str] = field(default_factory=lambda: ASKS)
    path: str = "/invocations"
    method: Literal["GET", "POST"] = "POST"
    environment: Mapping[str, str] = field(default_factory=dict)
    place: str = "handler.py"
    #: Further files of the model directory, by path; each is a script.
    beside: Mapping[str, str] = field(default_factory=dict)


async def ask(row: Row, folder: Path) -> Answer:
    """What Handrail answers to the row's request, or why it does not start."""
    from handrail_container.server.serving import StartRefused

    for path, script in {row.place: row.script, **row.beside}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text((SCRIPTS / "endpoint_handler" / f"{script}.py").read_text())
    try:
        async with serving(folder, **row.environment) as client:
            got = await client.request(row.method, row.path, content=row.body, headers=dict(row.headers))
    except StartRefused as refusal:
        return Answer(None, text=" ".join(map(str, refusal.faults)))
    kind = got.headers.get("content-type")
    return Answer(got.status_code, content_type=kind, headers=dict(got.headers), body=got.content)


def gives(value: Any, **more: Any) -> Answer:
    return Answer(json=value, content_type="application/json", **more)


def body(inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": inputs, **more}).encode()


def png(mode: str = "RGBA") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (3, 2)).save(stream, format="PNG")
    return stream.getvalue()
