"""`handrail check` of a script that builds an engine of its own: its arguments, without an engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from handrail.core.script import unload
from handrail_container.cli import check
from handrail_container.cli.check import Report, check_program

from tests.container.adoption.starting import AdoptingEcho

HANDLER = "def custom_sagemaker_invocation_handler(): return 1\n"
AT_IMPORT = "from vllm import LLM\nengine = LLM('org/model', max_model_len=7)\n"
IN_LOAD = "def load():\n    from vllm import LLM\n    return LLM('org/model', swap_space=4, max_model_len=7)\n"


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Report]]:
    backend = AdoptingEcho()
    monkeypatch.setattr(check, "open_backend", lambda settings, fallback: backend)

    def make(text: str, *, lacks_model: bool = False, **given: str) -> Report:
        (tmp_path / "model.py").write_text(text)
        for name, value in {"HANDRAIL_ENGINE": "vllm", **given}.items():
            monkeypatch.setenv(name, value)
        backend.lacks_model = lacks_model
        return check_program(model_path=tmp_path)

    yield make
    backend.release()
    unload(tmp_path)


@pytest.mark.parametrize(("text", "line"), [(AT_IMPORT, 2), (IN_LOAD, 3)])
def test_each_argument_has_a_row(checked: Callable[..., Report], text: str, line: int, tmp_path: Path) -> None:
    """That of a constructor that has run, and of one that the text says."""
    report = checked(text + HANDLER)
    said = report.to_text()
    assert f"LLM of the script, which is the server's engine  {'' if line == 2 else tmp_path}" in said
    assert "  model: mapped: SM_VLLM_MODEL=org/model\n" in said
    assert "  max_model_len: mapped: SM_VLLM_MAX_MODEL_LEN=7\n" in said
    assert ("swap_space: ignored" in said) is (line == 3)
    (data,) = json.loads(report.to_json())["adoption"]
    assert (data["name"], data["where"].endswith(f"model.py:{line}")) == ("LLM", True)
    assert data["arguments"][0] == {"name": "model", "outcome": "mapped", "note": "SM_VLLM_MODEL=org/model"}
    assert report.exit_code == 0


def test_a_script_without_one_has_no_rows(checked: Callable[..., Report]) -> None:
    report = checked(HANDLER)
    assert "of the script, which is" not in report.to_text()
    assert json.loads(report.to_json())["adoption"] == []


def test_with_adoption_switched_off_nothing_is_recorded(checked: Callable[..., Report]) -> None:
    report = checked(IN_LOAD + HANDLER, HANDRAIL_ADOPT="false")
    assert json.loads(report.to_json())["adoption"] == []


def test_two_models_are_3(checked: Callable[..., Report]) -> None:
    report = checked(AT_IMPORT + "LLM('org/other')\n" + HANDLER)
    assert report.exit_code == 3
    assert 'asks for "org/other", and this server\'s engine is "org/model"' in report.to_text()


def test_another_model_in_the_environment_is_3(checked: Callable[..., Report]) -> None:
    report = checked(IN_LOAD + HANDLER, SM_VLLM_MODEL="org/other")
    assert report.exit_code == 3
    assert 'SM_VLLM_MODEL is "org/other", and the script builds "org/model"' in report.to_text()


def test_a_model_that_nothing_says_is_2(checked: Callable[..., Report]) -> None:
    text = "def load(name):\n    from vllm import LLM\n    return LLM(name)\n"
    report = checked(text + HANDLER, lacks_model=True)
    assert report.exit_code == 2
    assert "cannot be read: set SM_VLLM_MODEL" in report.to_text()


def test_a_script_that_needs_its_engine_at_import_is_left_open(checked: Callable[..., Report]) -> None:
    """No engine is started to know more."""
    report = checked(AT_IMPORT + "text = engine.generate('warm')\n" + HANDLER)
    assert report.exit_code == 0
    (open_question,) = report.undecided
    assert "who answers cannot be told without an engine, which the script asks while it is imported" in open_question
    assert "asks the engine, and none is started here" in open_question


def test_a_flag_that_vllm_refuses_is_2(checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch) -> None:
    from handrail_container.process.exits import SettingsError

    def refuse(self: Any) -> None:
        raise SettingsError("SM_VLLM_MAX_MODEL_LEN is 7")

    monkeypatch.setattr(AdoptingEcho, "prepare", refuse)
    report = checked(AT_IMPORT + HANDLER)
    assert (report.exit_code, report.problems) == (2, ("SM_VLLM_MAX_MODEL_LEN is 7",))


def test_a_script_that_fails_to_load_may_name_the_model(checked: Callable[..., Report]) -> None:
    """What is told is why it does not load, and not that there is no model."""
    report = checked("from vllm import LLM\nLLM(modle='org/model')\n" + HANDLER, lacks_model=True)
    assert (report.exit_code, report.problems) == (3, ())
    assert "TypeError" in report.to_text()


def test_what_needs_a_gpu_is_a_warning(checked: Callable[..., Report]) -> None:
    text = "def load():\n    from vllm import LLM\n    return LLM('org/model', quantization='awq', dtype='half')\n"
    report = checked(text + HANDLER)
    (warning,) = [one for one in report.warnings if "no GPU" in one]
    assert warning.endswith("model.py:3 quantization, dtype: there is no GPU for it")
