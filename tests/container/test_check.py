from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handrail_container.check import Report, check_program

from tests.servers import SCRIPTS, run, run_without_vllm


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`check` of one of `tests/scripts` on the echo engine."""

    def checked(script: str | None = None, engine: str = "echo", model_path: Path = SCRIPTS, **given: str) -> Report:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        if script is not None:
            monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", script)
        return check_program(model_path=model_path, engine=engine)

    return checked


def test_the_table_shows_every_rung_and_who_answers(check: Any) -> None:
    """What was found on each, the winner marked, and its signature as adapted."""
    report = check("every_rung.py", CUSTOM_FASTAPI_INVOCATION_HANDLER="model:referenced")
    text = report.to_text()
    ping, _, invocations = text.partition("\n/ping\n")[2].partition("\n/invocations\n")
    assert "▶ 5 default" in ping
    assert "answers: the default handler" in ping
    for line in (
        "▶ 1 environment    CUSTOM_FASTAPI_INVOCATION_HANDLER=model:referenced",
        "  2 decorator      decorated with @custom_invocation_handler",
        "  3 function name  named custom_sagemaker_invocation_handler",
        "  4 whole model    -",
        "  5 default        nothing else asks for it",
        "answers: def referenced()",
    ):
        assert line in invocations
    assert f"{SCRIPTS / 'every_rung.py'}" in text
    assert report.exit_code == 0


def test_what_a_higher_rung_hides_is_a_warning(check: Any) -> None:
    """It says which, and by what."""
    text = check("every_rung.py").to_text()
    assert "warning: /invocations: decorated with @custom_invocation_handler hides" in text


def test_without_a_script_the_defaults_answer(check: Any, tmp_path: Path) -> None:
    """No script is no fault."""
    report = check(model_path=tmp_path)
    assert "script           none" in report.to_text()
    assert json.loads(report.to_json())["script"] is None
    assert report.exit_code == 0


def test_a_refused_script_is_3_and_nobody_answers(check: Any) -> None:
    """The fault as serving would report it."""
    report = check("two_ping_decorators.py")
    assert report.exit_code == 3
    assert "answers: nobody, see below" in report.to_text()
    assert "handrail: /ping has 2 handlers" in report.to_text()


def test_wrong_settings_are_2_and_the_script_is_checked_all_the_same(check: Any) -> None:
    """Both are reported."""
    report = check("two_ping_decorators.py", HANDRAIL_DRAIN_S="-1")
    assert report.exit_code == 2
    assert "HANDRAIL_DRAIN_S is '-1'" in report.to_text()
    assert "/ping has 2 handlers" in report.to_text()


def test_no_model_is_2_and_the_script_is_checked_all_the_same(check: Any) -> None:
    """Where the engine needs one."""
    report = check("two_ping_decorators.py", engine="vllm")
    assert report.exit_code == 2
    assert "No model" in report.to_text()
    assert "/ping has 2 handlers" in report.to_text()


def test_the_flags_of_vllm_need_vllm(weights: Path) -> None:
    """They are checked by its own parser; where none is set, nothing of vLLM is needed."""
    assert run_without_vllm("check", weights).returncode == 0
    checked = run_without_vllm("check", weights, SM_VLLM_SEED="1")
    assert checked.returncode == 2
    assert "is not installed: install handrail[gpu] or handrail[cpu]" in checked.stdout


def test_json_has_what_the_table_has(check: Any) -> None:
    """For machines: stable keys, and the exit status."""
    data = json.loads(check("engine_parameter.py").to_json())
    slot = data["slots"]["invocation"]
    assert (data["engine"], data["exit_code"], data["problems"], data["warnings"]) == ("echo", 0, [], [])
    assert data["script"] == str(SCRIPTS / "engine_parameter.py")
    assert slot["path"] == "/invocations"
    assert slot["winner"] == "function name"
    assert [(rung["rung"], bool(rung["found"])) for rung in slot["rungs"]] == [
        (1, False),
        (2, False),
        (3, True),
        (4, False),
        (5, True),
    ]
    assert slot["handler"]["name"] == "custom_sagemaker_invocation_handler"
    assert slot["handler"]["where"].endswith("engine_parameter.py:4")
    assert slot["handler"]["signature"].startswith("async def custom_sagemaker_invocation_handler(request, engine")
    assert slot["handler"]["arguments"] == {"request": "request", "engine": "engine", "spare": "engine"}
    assert slot["fault"] is None
    assert data["slots"]["ping"]["handler"] is None


def test_json_has_the_fault_with_its_kind_and_traceback(check: Any) -> None:
    """And the problems as the operator reads them."""
    data = json.loads(check("raises_on_import.py", CUSTOM_FASTAPI_PING_HANDLER="model:alive").to_json())
    fault = data["slots"]["ping"]["fault"]
    assert data["exit_code"] == 3
    assert fault["kind"] == "ImportFailed"
    assert fault["message"] in data["problems"]
    assert "RuntimeError: no weights here" in fault["traceback"]


def test_the_command_prints_the_report_and_exits_as_serving_would() -> None:
    """0, 2 and 3; `--json` is all JSON."""
    good = run("check", SCRIPTS, "--engine", "echo", "--json", CUSTOM_SCRIPT_FILENAME="named_handlers.py")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["exit_code"] == 0
    bad = run("check", SCRIPTS, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="syntax_error.py")
    assert bad.returncode == 3
    assert "SyntaxError" in bad.stdout
    missing = run("check", SCRIPTS, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="no_such_file.py")
    assert missing.returncode == 2
    assert "no_such_file.py" in missing.stdout
