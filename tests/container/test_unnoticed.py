"""Scripts in which nothing is known, where nothing else serves: the start says so, and the default does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.cli.check import check_program

HANDLER = "class Handler:\n    def __init__(self, path=''): ...\n    def __call__(self, data): return 1\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("handler.py", "def f():\n    return [1\n", "cannot be read as Python: line 2: '[' was never closed"),
        ("inference.py", "def f(:\n", "cannot be read as Python: line 1: "),
        ("pipeline.py", "x = 1\0", "cannot be read as Python: "),
        ("handler.py", "x = 1\n" + "#" * 1_000_001, "cannot be read as Python: it is too large"),
        (
            "handler.py",
            HANDLER,
            "It has class Handler. Call the class EndpointHandler, or set HF_MODULE_NAME=h",
        ),
        (
            "handler.py",
            "import runpod\n\ndef handler(job): ...\n",
            "It has def handler. docs/compatibility/dialects.m",
        ),
        ("inference.py", "X = 1\n", "nothing in it is known here. It has no class and no function. docs/"),
        ("mymodel/serving.properties", "option.dtype=fp16\n", "has nothing but the folder mymodel, and "),
        ("mymodel/handler.py", HANDLER, "mount that folder, or set SAGEMAKER_MODEL_PATH="),
    ],
)
def test_it_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 3
    (fault,) = report.program.faults
    assert told in str(fault)


def test_it_may_be_left_unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_ALLOW_UNUSED", "true")
    (tmp_path / "handler.py").write_text(HANDLER)
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 0
    assert any("nothing in it is known here" in warning for warning in report.program.warnings)


@pytest.mark.parametrize("name", ["code/data.txt", "weights/model.bin", ".cache/model.py", "poet/model.py"])
def test_a_folder_of_other_files_is_none(tmp_path: Path, name: str) -> None:
    """Nor is that of an adapter, which may have a script."""
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("")
    (path.parent / "adapter_config.json").write_text("{}")
    assert check_program(model_path=tmp_path, engine="echo").exit_code == 0


def test_beside_a_script_a_module_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(HANDLER)
    (tmp_path / "model.py").write_text("def custom_sagemaker_invocation_handler():\n    return 1\n")
    report = check_program(model_path=tmp_path, engine="echo")
    assert (report.exit_code, report.program.warnings) == (0, ())
