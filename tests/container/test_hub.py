"""Hugging Face's variables of a model on its hub, as the engine has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine.opening import open_backend
from handrail_container.program import hub
from handrail_container.settings.fields import Settings


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(**{"SAGEMAKER_MODEL_PATH": folder, "HANDRAIL_ENGINE": "echo", **given})


def test_a_revision_of_no_model_on_the_hub_has_no_effect(tmp_path: Path) -> None:
    given = settings(tmp_path, HF_MODEL_ID="org/model", HF_REVISION="refs/pr/1")
    assert hub.warnings(given) == []
    for other in (
        settings(tmp_path, HF_REVISION="x"),
        settings(tmp_path, HF_MODEL_ID="org/model", HF_REVISION="x", **{"SM_VLLM_<FLAG>": {"SM_VLLM_MODEL": "m"}}),
    ):
        (warning,) = hub.warnings(other)
        assert warning.startswith("HF_REVISION=x has no effect")


@pytest.mark.parametrize(("given", "expected"), [({}, "older"), ({"HF_TOKEN": "newer"}, "newer")])
def test_the_older_name_of_the_token_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    """By the hub's library, which knows HF_TOKEN."""
    monkeypatch.setenv("HF_TOKEN", "x")  # so that it is put back
    monkeypatch.delenv("HF_TOKEN")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    open_backend(settings(tmp_path, HF_HUB_TOKEN="older", **given), None)
    assert os.environ["HF_TOKEN"] == expected
