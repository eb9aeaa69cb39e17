"""The two servers that the rows are run on."""

from __future__ import annotations

from pathlib import Path

from tests.compat.launchers import HANDRAIL_ECHO, Launcher

OURS = HANDRAIL_ECHO
_SERVER = Path(__file__).with_name("server.py")


def truss(python: str) -> Launcher:
    """Truss's server in the environment of `python`; it listens on all addresses, and is ready once it has loaded."""
    return Launcher(
        "truss",
        lambda port: [python, str(_SERVER), str(port)],
        {"PYTHONPATH": ""},
        lambda answer: answer.status_code == 200,
        patience_s=60,
        ready_path="/v1/models/model/loaded",
    )
