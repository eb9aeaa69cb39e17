"""What `--hints` prints once the server is ready."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from handrail_container.own_address import authority

if TYPE_CHECKING:
    from handrail.resolve import Program


def print_hints(program: Program, host: str, port: int) -> None:
    """Who answers each slot, and two requests to try."""
    url = f"http://{authority(host, port)}"
    body = '{"messages": [{"role": "user", "content": "What does /ping do?"}]}'
    lines = [
        *(f"  {sentence}" for sentence in program.sentences()),
        "Try:",
        f"  curl -i {url}/ping",
        f"  curl {url}/invocations -H 'Content-Type: application/json' -d '{body}'",
    ]
    with contextlib.suppress(OSError):  # whoever read standard output has gone
        click.echo("\n".join(lines))
