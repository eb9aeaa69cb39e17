"""The fields of config.yaml that a Model's server reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.core.errors import DefinitionRefused
from handrail.styles.truss.config import TrussConfig


def config(**data: Any) -> TrussConfig:
    return TrussConfig(Path("/ml/config.yaml"), data, {name: number for number, name in enumerate(data, 1)})


def test_an_empty_file_has_the_defaults() -> None:
    """Truss's."""
    empty = config()
    assert (empty.script, empty.class_name, empty.names_class) == ("model/model.py", "Model", False)
    assert (empty.packages, empty.data_dir) == (Path("/ml/packages"), Path("/ml/data"))
    assert (empty.secrets, empty.predict_concurrency, empty.streaming_read_timeout) == ({}, None, 60)


def pings(given: TrussConfig) -> tuple[float | None, float | None]:
    return given.ping_interval, given.ping_timeout


def test_fields_are_what_they_say() -> None:
    given = config(
        model_module_dir="src",
        model_class_filename="a.py",
        secrets={"key": None},
        runtime={"predict_concurrency": 4, "streaming_read_timeout": 1.5},
    )
    assert (given.script, given.names_class, given.secrets) == ("src/a.py", True, {"key": None})
    assert (given.names_engine, given.is_legacy) == (False, False)
    assert config(vllm={}).names_engine
    assert config(model_metadata={"tags": ["force-legacy-api-non-openai-compatible"]}).is_legacy
    assert not config(model_class_name=None, model_class_filename=None).names_class
    assert (pings(given), pings(config(runtime={"transport": {"ping_interval_seconds": 5}}))) == (
        (None, None),
        (5, None),
    )
    assert (given.predict_concurrency, given.streaming_read_timeout) == (4, 1.5)


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ({"model_class_name": 5}, "class_name", "config.yaml:1 model_class_name is 5: write a name, as"),
        ({"data_dir": " "}, "data_dir", "data_dir is ' ': write a name, as `data_dir: data`."),
        ({"runtime": {"predict_concurrency": 0}}, "predict_concurrency", "is 0: write a number, 1 or more."),
        ({"runtime": {"predict_concurrency": True}}, "predict_concurrency", "is True: write a number"),
        ({"runtime": {"streaming_read_timeout": "60"}}, "streaming_read_timeout", "is '60': write a number"),
        ({"secrets": ["s3cret"]}, "secrets", "config.yaml:1 secrets is a list: name each secret on a line"),
    ],
)
def test_a_field_that_is_wrong_is_refused(data: dict[str, Any], field: str, said: str) -> None:
    """With its line and its value, which for secrets is nobody's business."""
    with pytest.raises(DefinitionRefused) as refused:
        getattr(config(**data), field)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
