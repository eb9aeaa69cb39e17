"""What `handrail check` says where requirements are not installed: it runs no pip, and does not say no for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from handrail_container.cli.check import Report, check_program

IMPORTS = "import a_package_nobody_has\nfrom handrail import custom_invocation_handler\n"
MISSING = "a-package-nobody-has==1\n"


def checked(folder: Path, script: str, requirements: str | None = MISSING) -> Report:
    (folder / "model.py").write_text(script)
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
    return check_program(model_path=folder, engine="echo")


def test_an_import_of_what_pip_would_install_is_not_known(tmp_path: Path) -> None:
    """0, as serving may be; nobody is named who may not answer."""
    report = checked(tmp_path, IMPORTS)
    text = " ".join(report.to_text().split())
    assert report.exit_code == 0
    assert text.count("answers: not known before pip has run, see below") == 3
    assert "the default handler" not in text
    assert "nothing else asks for it" not in text
    assert "who answers cannot be told before pip has run" in text
    assert "No module named 'a_package_nobody_has'" in text
    data = json.loads(report.to_json())
    assert (data["exit_code"], data["problems"], len(data["undecided"])) == (0, [], 2)


def test_pip_s_own_arguments_are_requirements_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDARD_PIP_ARGS", "--index-url https://me:hunter2@host/simple a-package-nobody-has")
    report = checked(tmp_path, IMPORTS, None)
    assert report.exit_code == 0
    assert "whether pip can install --index-url https://***@host/simple" in report.undecided[0]
    assert "hunter2" not in report.to_text(has_all=True)


@pytest.mark.parametrize(
    ("script", "requirements"),
    [
        (IMPORTS, None),  # nothing would install it
        (IMPORTS, "pytest\n"),  # what is required is there
        (IMPORTS, "fastapi<0.1\n"),  # refused: pip does not run
        ("def f(:\n", MISSING),  # no requirement mends it
        ("raise RuntimeError('no weights')\n", MISSING),
    ],
)
def test_what_pip_cannot_mend_is_3_and_nobody_answers(tmp_path: Path, script: str, requirements: str | None) -> None:
    report = checked(tmp_path, script, requirements)
    assert report.exit_code == 3
    assert "answers: nobody, see below" in report.to_text()
    assert "the default handler" not in report.to_text()
    assert_nobody_is_named(report)


def assert_nobody_is_named(report: Report) -> None:
    text, slots = report.to_text(), json.loads(report.to_json())["slots"].values()
    assert "nothing else asks for it" not in text
    assert ("▶" in text, text.count("not known\n")) == (False, 15)
    assert [(slot["winner"], slot["handler"], bool(slot["fault"])) for slot in slots] == [(None, None, True)] * 3
    assert {found for slot in slots for rung in slot["rungs"] for found in rung["found"]} == set()


def test_what_the_environment_asks_for_is_named_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is settled: only its function is not to be had."""
    monkeypatch.setenv("CUSTOM_FASTAPI_INVOCATION_HANDLER", "model:answer")
    report = checked(tmp_path, "raise RuntimeError\n", None)
    slots = json.loads(report.to_json())["slots"]
    assert [slots[name]["winner"] for name in ("ping", "invocation")] == [None, "environment"]
    assert "▶ 1 environment    CUSTOM_FASTAPI_INVOCATION_HANDLER=model:answer" in report.to_text()


def test_requirements_that_are_switched_off_mend_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_INSTALL_REQUIREMENTS", "false")
    monkeypatch.setenv("STANDARD_PIP_ARGS", "a-package-nobody-has")
    assert checked(tmp_path, IMPORTS).exit_code == 3


def test_what_pip_has_to_find_is_said_where_the_script_loads(tmp_path: Path) -> None:
    report = checked(tmp_path, "")
    assert report.exit_code == 0
    assert report.undecided[0].startswith(
        "whether pip can install requirements.txt:1: a-package-nobody-has==1 is not known"
    )
    assert len(report.undecided) == 1


def test_a_model_can_be_given_as_for_serving(tmp_path: Path) -> None:
    """`--default-model`, where vLLM would have none."""
    assert check_program(model_path=tmp_path, engine="vllm").exit_code == 2
    assert check_program(tmp_path, model_path=tmp_path, engine="vllm").exit_code == 0


def test_elsewhere_flags_are_not_held_against_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_VLLM_NO_SUCH_FLAG", "1")
    report = check_program(tmp_path, is_elsewhere=True, model_path=tmp_path, engine="vllm")
    assert report.exit_code == 0
