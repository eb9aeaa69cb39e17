"""The adapters that SM_VLLM_LORA_MODULES names, and what becomes of their code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail_container.program.startup_adapters import load, named
from handrail_container.settings import environment

ADAPTERS = Path(__file__).parents[1] / "adapters"
FLAG = "SM_VLLM_LORA_MODULES"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", {}),
        ("a=/x", {"a": "/x"}),
        ('["a=/x", "b=org/name"]', {"a": "/x", "b": "org/name"}),
        ('{"name": "a", "path": "/x"}', {"a": "/x"}),
        ('{"name": "a", "path": "/x", "base_model_name": "m"} {"name": "b", "path": "/y=z"}', {"a": "/x", "b": "/y=z"}),
        ('[{"name": "a", "path": "/x"}]', {"a": "/x"}),
        ('{"name": "a"}', {}),
        ("nonsense", {}),
        ('["[1]"]', {}),
    ],
)
def test_the_forms_of_the_flag(value: str, found: dict[str, str]) -> None:
    """As vLLM reads them; what it refuses is left to it."""
    assert named({FLAG: value}) == found
    assert named({}) == {}


def loaded(monkeypatch: pytest.MonkeyPatch, folder: Path, **given: str) -> Any:
    for name, value in {"HANDRAIL_ENGINE": "echo", **given}.items():
        monkeypatch.setenv(name, value)
    found = load(environment.read(model_path=folder))
    for code in found.codes.values():
        code.close()
    return found


def test_code_is_loaded_where_there_is_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    value = f'["loud={ADAPTERS / "shouts"}", "plain={tmp_path / "plain"}", "far=org/name"]'
    found = loaded(monkeypatch, tmp_path, SM_VLLM_LORA_MODULES=value)
    assert ([*found.codes], found.faults, found.warnings) == (["loud"], (), ())
    assert loaded(monkeypatch, tmp_path, SM_VLLM_LORA_MODULES=value, HANDRAIL_ENGINE="none").codes == {}


def test_what_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    value = f'["loud={ADAPTERS / "shouts"}", "far=org/name"]'
    start = f"SM_VLLM_LORA_MODULES names the adapter 'loud', whose {ADAPTERS}/shouts/model.py does not run: "
    found = loaded(monkeypatch, tmp_path, SM_VLLM_LORA_MODULES=value, HANDRAIL_ADAPTERS_CODE="refuse")
    said = f"{start}HANDRAIL_ADAPTERS_CODE is refuse. Set model to let it run, or ignore"
    assert ([*map(str, found.faults)], found.codes) == ([said], {})
    found = loaded(monkeypatch, tmp_path, SM_VLLM_LORA_MODULES=value, HANDRAIL_ADAPTERS_CODE="ignore")
    assert (found.warnings, found.codes) == ((f"{start}HANDRAIL_ADAPTERS_CODE is ignore",), {})
    found = loaded(monkeypatch, tmp_path, SM_VLLM_LORA_MODULES=value, HANDRAIL_ADAPTERS_CODE="hub")
    said = "SM_VLLM_LORA_MODULES names the adapter 'far' by its id 'org/name': its weights are loaded, and not its code"
    assert [one.startswith(said) for one in found.warnings] == [True]
