"""What a run writes to standard error has one form: objects, or what people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.emulated import Emulated
from tests.servers import SCRIPTS, run


def objects(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def plain(written: str) -> bool:
    return bool(written.strip()) and not any(line.startswith("{") for line in written.splitlines())


@pytest.mark.parametrize("form", ["json", "auto"])
@pytest.mark.parametrize(
    ("setting", "status", "says"),
    [
        ({"HANDRAIL_DRAIN_S": "-1"}, 2, "handrail: HANDRAIL_DRAIN_S is '-1'"),
        ({"CUSTOM_FASTAPI_PING_HANDLER": "x", "HANDRAIL_DRAIN_S": "-1"}, 2, "CUSTOM_FASTAPI_PING_HANDLER is 'x'"),
        ({"CUSTOM_SCRIPT_FILENAME": "missing_import.py"}, 3, "missing_import.py"),
        ({"LOG_LEVEL": "CRITICAL", "CUSTOM_SCRIPT_FILENAME": "missing_import.py"}, 3, "missing_import.py"),
    ],
)
def test_a_start_that_is_refused_is_in_the_form_of_its_log(
    form: str, setting: dict[str, str], status: int, says: str
) -> None:
    """Before the settings are known to be good as well as after; standard error is no terminal here."""
    ended = run("serve", SCRIPTS, "--engine", "echo", "--port", "0", HANDRAIL_LOG_FORMAT=form, **setting)
    assert ended.returncode == status
    assert any(says in line["message"] for line in objects(ended.stderr))


def test_a_form_there_is_not_is_refused_in_the_usual_one() -> None:
    ended = run("serve", SCRIPTS, "--engine", "echo", "--port", "0", HANDRAIL_LOG_FORMAT="yaml")
    (line,) = objects(ended.stderr)
    assert (ended.returncode, "HANDRAIL_LOG_FORMAT is 'yaml'" in line["message"]) == (2, True)


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
def test_the_stages_of_a_call_are_objects_where_the_log_is(tmp_path: Path, level: str) -> None:
    """At a level that hides the log, too: they are what was asked for."""
    ended = run("invoke", tmp_path, "--engine", "echo", HANDRAIL_LOG_FORMAT="json", LOG_LEVEL=level)
    said = [line["message"].split()[0] for line in objects(ended.stderr) if line["level"] == "INFO"]
    assert ended.returncode == 0
    assert [word for word in said if word in ("script", "engine", "handler", "result")] == [
        "script",
        "engine",
        "handler",
        "result",
    ]


@pytest.mark.parametrize("setting", [{}, {"HANDRAIL_DRAIN_S": "-1"}])
def test_a_call_is_for_a_person_unless_told_otherwise(tmp_path: Path, setting: dict[str, str]) -> None:
    """Its log and what refuses it as well, though nobody is at a terminal."""
    ended = run("invoke", tmp_path, "--engine", "echo", HANDRAIL_LOG_FORMAT="", **setting)
    assert plain(ended.stderr)
    assert ended.returncode == (2 if setting else 0)


@pytest.mark.parametrize(("form", "is_plain"), [("", True), ("auto", True), ("plain", True), ("json", False)])
def test_an_emulator_and_its_container_have_one_form(tmp_path: Path, form: str, is_plain: bool) -> None:
    """From the first line, which makes a client, to the last."""
    emulated = Emulated(tmp_path / "log", tmp_path, "--engine", "echo", HANDRAIL_LOG_FORMAT=form)
    try:
        emulated.ready()
    finally:
        assert emulated.stop() == 0
    assert "ready after" in emulated.output
    if is_plain:
        assert plain(emulated.output)
    else:
        lines = objects(emulated.output)
        assert lines[0]["message"].startswith("boto3.client(")
        assert {"handrail", "handrail.emulate"} <= {line["logger"] for line in lines}


def test_an_emulator_whose_port_is_taken_says_so_in_the_form_too(tmp_path: Path) -> None:
    ended = run("emulate", tmp_path, "--host", "203.0.113.1", HANDRAIL_LOG_FORMAT="json")
    (line,) = objects(ended.stderr)
    assert (ended.returncode, line["message"].startswith("handrail: cannot listen")) == (2, True)
