"""Reading config.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.core.errors import DefinitionRefused
from handrail.styles.truss.config import TrussConfig
from handrail_container.program.config_yaml import find_config


def read(folder: Path, text: str | bytes) -> TrussConfig | DefinitionRefused | None:
    (folder / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return find_config(folder)


def test_no_file_is_no_definition(tmp_path: Path) -> None:
    assert find_config(tmp_path) is None


def test_a_file_is_its_fields_and_their_lines(tmp_path: Path) -> None:
    """An empty one has none."""
    config = read(tmp_path, "# a remark\nmodel_name: m\nruntime:\n  predict_concurrency: 4\nrequirements: [a]\n")
    assert isinstance(config, TrussConfig)
    assert config.data == {"model_name": "m", "runtime": {"predict_concurrency": 4}, "requirements": ["a"]}
    fields = {"model_name": 2, "runtime": 3, "runtime.predict_concurrency": 4, "requirements": 5}
    assert config.lines == {**fields, "requirements.0": 5}
    empty = read(tmp_path, "")
    assert isinstance(empty, TrussConfig)
    assert empty.data == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2", "config.yaml:2 is not YAML: "),
        ("a: !!python/object:os.system x", "config.yaml:1 is not YAML: could not determine a constructor"),
        ("- a\n- b", "config.yaml holds no fields"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "config.yaml:4 b.c is there twice: keep one."),
        (b"\xff\xfe\x00", "config.yaml cannot be read: "),
        ("a: 2020-99-99", "config.yaml cannot be read: month must be in 1..12"),
        ("? [a, b]\n: 1", "config.yaml:1 is not YAML: "),
    ],
)
def test_what_is_no_definition_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    """With the line where there is one."""
    refused = read(tmp_path, text)
    assert isinstance(refused, DefinitionRefused), refused
    assert said in str(refused)
