"""The adapters that SM_VLLM_LORA_MODULES names, and what becomes of their code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.adapter_code import AdapterCode
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.engine.echo.lora import EchoAdapters
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.program.startup_adapters import load, named, without_code
from handrail_container.server import composition
from handrail_container.server.startup import Startup
from handrail_container.settings import environment

from tests.conftest import Launch

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


def test_code_of_adapters_that_are_named_elsewhere_is_missed(tmp_path: Path) -> None:
    """In a file of vLLM's flags, say: their weights are loaded, and the log says what is not."""
    code = AdapterCode()
    loaded = {"plain": str(tmp_path), "loud": str(ADAPTERS / "shouts"), "quiet": str(ADAPTERS / "whispers")}
    said = (
        f"the adapter 'quiet' is loaded without its {ADAPTERS}/whispers/model.py: name the adapter in {FLAG}, or load"
    )
    assert [one.startswith(said) for one in without_code(loaded, {"loud": code})] == [True]


async def test_a_start_says_so(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_ENGINE", "echo")
    adapters = EchoAdapters("echo", {"quiet": str(ADAPTERS / "whispers")})
    settings, backend, lifecycle = environment.read(), EchoBackend(Pace(), "echo", adapters), Lifecycle()
    startup = Startup(settings, lifecycle, composition.create_gate(settings, lifecycle), backend)
    await startup.start_engine(await startup.load())
    assert "the adapter 'quiet' is loaded without its" in caplog.text


@pytest.mark.parametrize("setting", ["model", "ignore"])
def test_the_log_says_it_once(launch: Launch, tmp_path: Path, setting: str) -> None:
    served = launch(
        tmp_path, SM_VLLM_LORA_MODULES=f"loud={ADAPTERS / 'shouts'}", HANDRAIL_ADAPTERS_CODE=setting
    ).ready()
    assert "is loaded without its" not in served.stderr
    assert served.stderr.count("does not run: HANDRAIL_ADAPTERS_CODE is ignore") == (setting == "ignore")


def test_where_no_code_may_run_an_adapter_of_the_start_that_has_some_stops_it(launch: Launch, tmp_path: Path) -> None:
    loud = f"loud={ADAPTERS / 'shouts'}"
    served = launch(tmp_path, SM_VLLM_LORA_MODULES=loud, HANDRAIL_ADAPTERS_CODE="refuse")
    assert served.exit_code() == 2
    assert "HANDRAIL_ADAPTERS_CODE is refuse. Set model to let it run, or ignore" in served.stderr
