from __future__ import annotations

from pathlib import Path

import pytest
from handrail_container.process.exits import SettingsError
from handrail_container.program.weights import find_model, has_weights
from handrail_container.settings.fields import Settings


def settings(model_path: Path, **given: object) -> Settings:
    return Settings(**{"SAGEMAKER_MODEL_PATH": model_path, **given})  # type: ignore[arg-type]


def test_the_model_is_the_first_of_five(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """SM_VLLM_MODEL or option.model_id, weights in the directory, what config.yaml names, HF_MODEL_ID, what
    `--default-model` gives."""
    empty, fallback = tmp_path_factory.mktemp("empty"), Path("/models/demo")
    assert find_model(settings(weights, HF_MODEL_ID="org/hub"), fallback, "org/in-config", "org/named") == "org/named"
    assert find_model(settings(weights, HF_MODEL_ID="org/hub"), fallback) == str(weights)
    assert find_model(settings(empty, HF_MODEL_ID="org/hub"), fallback, "org/in-config") == "org/in-config"
    assert find_model(settings(empty, HF_MODEL_ID="org/hub"), fallback) == "org/hub"
    assert find_model(settings(empty), fallback) == str(fallback)


def test_no_model_is_an_error_that_names_every_way_to_give_one(tmp_path: Path) -> None:
    """And the engines that need none."""
    with pytest.raises(SettingsError) as refused:
        find_model(settings(tmp_path))
    (problem,) = refused.value.problems
    for word in (str(tmp_path), "SM_VLLM_MODEL", "HF_MODEL_ID", "HANDRAIL_ENGINE=none", "HANDRAIL_ENGINE=echo"):
        assert word in problem


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], False),
        (["config.json"], False),
        (["model.safetensors"], False),
        (["model.py", "config.json"], False),
        (["config.json", "model-00001-of-00002.safetensors"], True),
        (["config.json", "pytorch_model.bin"], True),
        (["config.json", "consolidated.00.pt"], True),
        (["llama.gguf"], True),
    ],
)
def test_weights_are_told_by_the_files(tmp_path: Path, files: list[str], expected: bool) -> None:
    """A configuration beside a file of weights, or one GGUF file."""
    for name in files:
        (tmp_path / name).touch()
    assert has_weights(tmp_path) is expected


def test_a_directory_that_is_not_there_has_no_weights(tmp_path: Path) -> None:
    """Nothing is mounted at /opt/ml/model where the model comes from the hub."""
    assert not has_weights(tmp_path / "nowhere")
