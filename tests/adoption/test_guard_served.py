"""A server of a script that is nothing without its main guard."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from handrail_container.cli.check import check_program

from tests.conftest import Launch
from tests.interpreter import user_programs_forgotten

SCRIPTS = Path(__file__).parents[1] / "scripts" / "adoption"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SCRIPTS / "own_app_in_guard.py", tmp_path / "model.py")
    return tmp_path


def test_the_application_of_the_guard_is_served(folder: Path, launch: Launch) -> None:
    served = launch(folder, HANDRAIL_SCRIPT_ARGS="'the bot' --more")
    served.ready()
    assert served.http.post("/invocations").json() == "the bot"
    assert served.http.post("/answer").json() == "the bot"


def test_check_runs_the_guard_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_SCRIPT_ARGS", "bot")
    with user_programs_forgotten(folder):
        report = check_program(model_path=folder, engine="echo")
    assert report.exit_code == 0
    assert "POST /answer: answer" in " ".join(report.to_text().split())


def test_without_adoption_the_guard_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_ADOPT", "false")
    with user_programs_forgotten(folder):
        report = check_program(model_path=folder, engine="echo")
    assert "POST /answer" not in report.to_text()
