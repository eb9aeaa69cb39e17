"""vLLM's lines in the form of ours."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
from handrail_container.process.log_lines import JsonLines

pytestmark = pytest.mark.vllm


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root logger for machines, and vLLM's with a handler of its own, as it makes one in a server."""
    from handrail_container.engine.vllm.names import vllm

    vllm("DEFAULT_LOGGING_CONFIG")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(logging.getLogger("vllm"), "handlers", [logging.StreamHandler(sys.stdout)])
    monkeypatch.delenv("VLLM_LOGGING_CONFIG_PATH", raising=False)


def forms() -> list[bool]:
    """Whether vLLM's own handler writes objects; pytest may have put others beside it."""
    handlers = logging.getLogger("vllm").handlers
    return [isinstance(handler.formatter, JsonLines) for handler in handlers if type(handler) is logging.StreamHandler]


def test_those_of_this_process_are_objects(json_log: None) -> None:
    """From the first that comes by its handler."""
    from handrail_container.engine.vllm import processes

    processes.log_like_us()
    assert forms() == [True]


def test_those_of_its_processes_are_objects(json_log: None, tmp_path: Path) -> None:
    """By the configuration they are handed."""
    from handrail_container.engine.vllm import processes

    with processes.logging_to(tmp_path / "causes.jsonl"):
        config = json.loads((tmp_path / "logging.json").read_text())
    assert {formatter["()"] for formatter in config["formatters"].values()} == {
        "handrail_container.process.log_lines.JsonLines"
    }


def test_a_configuration_of_the_users_own_stays(
    json_log: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VLLM_LOGGING_CONFIG_PATH."""
    from handrail_container.engine.vllm import processes

    own = tmp_path / "own.json"
    own.write_text(json.dumps({"version": 1, "formatters": {"mine": {"format": "%(message)s"}}}))
    monkeypatch.setenv("VLLM_LOGGING_CONFIG_PATH", str(own))
    processes.log_like_us()
    assert forms() == [False]
    with processes.logging_to(tmp_path / "causes.jsonl"):
        config = json.loads((tmp_path / "logging.json").read_text())
    assert config["formatters"] == {"mine": {"format": "%(message)s"}}
