"""A script of another server's: what `check` and the start make of it, by the settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest
from handrail_container.cli.check import check_program

from tests.conftest import Launch
from tests.servers import SCRIPTS

FOREIGN = SCRIPTS / "foreign"
PING = "def custom_sagemaker_ping_handler():\n    return True\n"


def test_the_start_is_refused(launch: Launch, tmp_path: Path) -> None:
    shutil.copy(FOREIGN / "aws_lambda.py", tmp_path / "model.py")
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert f"{tmp_path}/model.py:1 has `lambda_handler`" in served.stderr


@pytest.mark.parametrize("variable", [{"HANDRAIL_ALLOW_UNUSED": "true"}, {"HANDRAIL_FOREIGN_SCRIPT": "warn"}])
def test_where_the_operator_wants_them_the_defaults_answer(
    launch: Launch, tmp_path: Path, variable: dict[str, str]
) -> None:
    shutil.copy(FOREIGN / "aws_lambda.py", tmp_path / "model.py")
    served = launch(tmp_path, **variable).ready()
    answer = httpx.post(f"{served.url}/invocations", json={"prompt": "a b"})
    assert answer.json()["choices"][0]["text"] == "a b"
    assert "WARNING" in served.stderr
    assert "The default handlers answer" in served.stderr


def test_check_names_nobody_who_answers(tmp_path: Path) -> None:
    shutil.copy(FOREIGN / "cog_by_name.py", tmp_path / "model.py")
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 3
    assert "the default handler\n" not in report.to_text()
    assert "nothing else asks for it" not in report.to_text() + report.to_json()


def test_what_else_a_served_script_has_is_told(tmp_path: Path) -> None:
    """Of the two that could be served, only the toolkit's functions are called."""
    shutil.copy(FOREIGN / "three_at_once.py", tmp_path / "model.py")
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 0
    (warning,) = report.program.warnings
    assert f"hides Hugging Face's Inference Endpoints, {tmp_path}/model.py" in warning


def test_the_script_that_the_environment_names_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in it, unless a `model.py` is the script."""
    (tmp_path / "serve_it.py").write_text(PING)
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_it.py")
    assert check_program(model_path=tmp_path, engine="echo").program.script == tmp_path / "serve_it.py"
    (tmp_path / "model.py").write_text("")
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 3
    assert "Write CUSTOM_SCRIPT_FILENAME=serve_it.py" in str(report.faults[0])
    monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", "serve_it.py")
    assert check_program(model_path=tmp_path, engine="echo").exit_code == 0
