"""Why an engine failed, as far as its processes have left word of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from handrail_container.engine.vllm import root_cause


class Dead(Exception):
    """What vLLM raises where its process has ended."""


@pytest.fixture(autouse=True)
def _without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_cause, "vllm", {"EngineDeadError": Dead}.__getitem__)


def client(*codes: int | None) -> Any:
    running = [SimpleNamespace(name=f"EngineCore{place or ''}", exitcode=code) for place, code in enumerate(codes)]
    manager = SimpleNamespace(processes=running)
    return SimpleNamespace(engine_core=SimpleNamespace(resources=SimpleNamespace(engine_manager=manager)))


DEAD = Dead("EngineCore encountered an issue. See stack trace (above) for the root cause.")


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((-4,), "its process EngineCore was ended by SIGILL, because this CPU cannot run an instruction it needs"),
        ((-9,), "its process EngineCore was ended by SIGKILL, most likely because the machine ran out of memory"),
        ((-11,), "its process EngineCore was ended by SIGSEGV"),
        ((None, 3), "its process EngineCore1 ended with exit code 3"),
        ((-40,), "its process EngineCore was ended by signal 40"),
    ],
)
def test_an_engine_that_dies_as_it_is_warmed_up_says_how_its_process_ended(
    tmp_path: Path, codes: tuple[int | None, ...], said: str
) -> None:
    assert root_cause.start_failure(DEAD, tmp_path / "none", client(*codes)).startswith(said)


def test_where_no_process_ended_it_points_to_no_trace_that_is_not_there(tmp_path: Path) -> None:
    for known in (None, client(None)):
        assert root_cause.start_failure(DEAD, tmp_path / "none", known) == "Dead: EngineCore encountered an issue."


@pytest.mark.parametrize(
    "hint", ["See root cause above.", "See stack trace above.", "See stack trace for the root cause.", ""]
)
def test_no_hint_of_vllms_at_a_trace_is_repeated(tmp_path: Path, hint: str) -> None:
    error = RuntimeError(f"Engine core initialization failed. {hint}".strip())
    assert root_cause.start_failure(error, tmp_path / "none") == "RuntimeError: Engine core initialization failed."


def test_what_its_process_wrote_comes_first(tmp_path: Path) -> None:
    (tmp_path / "causes").write_text('{"process": "EngineCore", "cause": "ValueError: no", "trace": ""}\n')
    assert root_cause.start_failure(DEAD, tmp_path / "causes", client(-4)) == "ValueError: no"
