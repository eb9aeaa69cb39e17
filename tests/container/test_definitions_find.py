"""Which definition a model directory has, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import DefinitionMissing
from handrail.styles.definition.style import Found
from handrail_container.program.definition.find import Defaults, DefinitionSource, find

SNIPPET = "def run_inference(body, environment): return body\n"
GOOD = """
key: k
display_name: K
config:
  connection_type: custom_inference
  run_inference_snippet: !include run.py
"""


@pytest.fixture
def found(tmp_path: Path) -> Any:
    def look(
        text: str | None = GOOD, named: str | None = None, file: str = "model.yaml", **variables: str
    ) -> Found | None:
        (tmp_path / "run.py").write_text(SNIPPET)
        if text is not None:
            (tmp_path / file).write_text(text)
        return find(DefinitionSource(tmp_path, named, variables, tmp_path / "secrets"), Defaults(60, 4))

    return look


def test_no_file_is_no_definition(found: Any) -> None:
    assert found(None) is None


@pytest.mark.parametrize("file", ["model.yaml", "model.yml"])
def test_what_a_definition_leaves_open_is_set(found: Any, tmp_path: Path, file: str) -> None:
    model = found(file=file).model
    snippet = model.snippet
    assert (snippet.timeout_s, snippet.workers, snippet.folder, snippet.environment) == (60, 4, tmp_path, {})
    assert (snippet.source, snippet.filename, snippet.first_line) == (SNIPPET, str(tmp_path / "run.py"), 1)
    assert model.adapter.key == "latticeflow$identity"


@pytest.mark.parametrize("parameters", ["body, environment, sample", "body, environment, *, engine, sample=None"])
def test_a_sample_is_said_to_be_none(found: Any, tmp_path: Path, parameters: str) -> None:
    text = GOOD.replace("!include run.py", "!include takes.py")
    (tmp_path / "takes.py").write_text(f"\ndef run_inference({parameters}): return body\n")
    (warning,) = found(text).warnings
    assert warning.startswith(
        f"{tmp_path / 'takes.py'}:2 def run_inference({parameters}): `sample` is always None here"
    )


def test_what_it_says_itself_counts(found: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("B=of the file\n")
    text = f"max_concurrent_requests: 1\n{GOOD}  timeout: 90\n  environment:\n    A: $B\n    C: 1\n"
    offered = found(text, C="c")
    assert offered.model.snippet.environment == {"A": "of the file", "C": 1}
    assert (offered.model.snippet.timeout_s, offered.model.snippet.workers) == (90, 1)
    assert offered.warnings == (
        "timeout is 90 s, and SageMaker ends an invocation after 60 s",
        "timeout is 90 s, and HANDRAIL_INVOCATION_TIMEOUT_S ends it after 60 s",
    )


def test_a_setting_names_another(found: Any, tmp_path: Path) -> None:
    """Or none; one that is not there is wrong."""
    offered = found(GOOD.replace("key: k", "key: other"), named="other.yaml", file="other.yaml")
    assert (offered.model.definition.key, offered.is_chosen) == ("other", True)
    assert found(GOOD, named="none") is None
    (fault,) = found(GOOD, named="missing.yaml").faults
    assert isinstance(fault, DefinitionMissing)
    assert str(fault).startswith(
        f"HANDRAIL_DEFINITION is 'missing.yaml', and there is no file {tmp_path / 'missing.yaml'}."
    )


@pytest.mark.parametrize("text", ["", "model: publisher/other\nbase: []\nconfig: {load: {}}\n", "description: a\n"])
def test_a_file_of_somebody_else_is_not_used(found: Any, text: str) -> None:
    """Unless a setting names it."""
    offered = found(text)
    assert (offered.is_foreign, offered.model, offered.faults) == (True, None, ())
    assert "is not used: it has no field of a definition" in offered.warnings[0]
    assert found(text, named="model.yaml").faults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GOOD.replace("custom_inference", "langsmith"),
            ":5 config.connection_type is 'langsmith': only custom_inference runs",
        ),
        (
            GOOD.replace("connection_type: custom_inference", "timeout: 1"),
            "is missing, which means custom_connection: write",
        ),
        ("- a\n", "holds no fields"),
        (
            "key: k\ndisplay_name: K\n",
            "config is missing: write `config: with connection_type and run_inference_snippet`.",
        ),
        ("key: k\ndisplay_name: K\nconfig: 5\n", "config is 5, and should be a valid dictionary"),
        (f"{GOOD}  adapter: 5\n", "config.adapter is 5, and should be a valid dictionary"),
        (f"{GOOD}  adapter:\n    key: nobody\n", "model.yaml:8 there is no adapter 'nobody'"),
        (GOOD.replace("!include run.py", "'x = 1'"), "model.yaml:6 the snippet has no run_inference"),
        (
            GOOD.replace("!include run.py", "!include no.py"),
            "model.yaml:6 config.run_inference_snippet includes 'no.py'",
        ),
        (GOOD.replace("!include run.py", ""), "config.run_inference_snippet is None, and should be a valid string"),
    ],
)
def test_what_is_wrong_is_told_once(found: Any, text: str, said: str) -> None:
    offered = found(text)
    assert offered.model is None
    (fault,) = offered.faults
    assert said in str(fault)


def test_everything_that_is_wrong_comes_at_once(found: Any, tmp_path: Path) -> None:
    """Fields, references, the snippet and the adapter."""
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "a.yaml").write_text("key: a\nprocess_input: {source_code: '{{'}\n")
    text = """key: a b
disply_name: K
rate_limit: 0
config:
  connection_type: custom_inference
  adapter: {key: a}
  timeout: -1
  environment:
    A: $UNSET
    B: << secrets.NONE >>
  run_inference_snippet: |
    import json

    def run_inference(body): return body
"""
    lines = [str(fault).removeprefix(f"{tmp_path}/") for fault in found(text).faults]
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "model.yaml:9 config.environment.A",
        "model.yaml:10 config.environment.B",
        "model.yaml:1 key",
        f"{tmp_path / 'model.yaml'} display_name".removeprefix(f"{tmp_path}/"),
        "model.yaml:3 rate_limit",
        "model.yaml:7 config.timeout",
        "model.yaml:2 disply_name",
        "model.yaml:14 def",
        "adapters/a.yaml:2 the",
    ]
