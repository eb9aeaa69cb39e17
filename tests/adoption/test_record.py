"""What a script builds, as the server records it: one engine, and sentences for what that is not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from handrail.adoption.text import BuildPlace, Built
from handrail_container.program.adoption.arrival import Running
from handrail_container.program.adoption.record import Adoption, AdoptionRefused, EngineNotHere, KnownArguments
from handrail_container.program.config_field import Outcome
from handrail_container.settings import environment

KNOWN = KnownArguments(("model", "dtype", "max_model_len", "max_num_seqs", "max_logprobs"), has_gpu=True)


def adoption(
    monkeypatch: pytest.MonkeyPatch, loop: asyncio.AbstractEventLoop | None = None, **variables: str
) -> Adoption:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Adoption(environment.read(), loop)


def built(made: Adoption, where: str = "model.py:3", **given: Any) -> Mapping[str, str]:
    return made.record("LLM", where, {"model": "org/one", **given}, KNOWN).flags


def test_the_first_construction_wants_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made, wanted = adoption(monkeypatch), []
    made.when_wanted = lambda: wanted.append(True)
    assert (made.is_wanted, made.flags, made.built) == (False, {}, [])
    flags = built(made, max_model_len=64)
    assert flags == made.flags == {"SM_VLLM_MODEL": "org/one", "SM_VLLM_MAX_MODEL_LEN": "64"}
    built(made, "model.py:9", max_model_len=64)
    assert made.is_wanted
    assert wanted == [True]
    assert made.sentences()[0].startswith("model.py:3 LLM is the server's engine; max_model_len: ")


def test_one_construction_that_runs_in_each_request_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch)
    for _ in range(3):
        built(made)
    assert len(made.constructions) == 1


def test_another_engine_is_refused_with_both_places(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch)
    built(made, max_model_len=64)
    for _ in range(2):  # the sentence is said once
        with pytest.raises(
            AdoptionRefused, match=r"model\.py:9 wants max_logprobs=5, and .* \(the engine is that of mod"
        ):
            built(made, "model.py:9", max_model_len=64, max_logprobs=5, max_num_seqs=7)
    assert (len(made.refusals), len(made.remarks)) == (1, 1)
    with pytest.raises(AdoptionRefused, match=r'asks for "org/two", and this server.s engine is "org/one"'):
        made.record("LLM", "model.py:9", {"model": "org/two"}, KNOWN)


def test_what_concerns_speed_is_a_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    made = adoption(monkeypatch)
    built(made)
    for line in (8, 8, 9):
        built(made, f"model.py:{line}", max_num_seqs=7)
    assert [message.partition(" ")[0] for message in caplog.messages] == ["model.py:8", "model.py:9"]
    assert made.refusals == []


def test_what_the_engine_runs_with_counts_after_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch)
    built(made, max_model_len=64)
    made.engine_runs_with({"SM_VLLM_MODEL": "org/one", "SM_VLLM_MAX_MODEL_LEN": "64"})
    made.begin_anew()
    made.expect(Built("LLM", "model.py:5", {"model": "org/one", "max_model_len": 65}, (), BuildPlace.FUNCTION))
    assert len(made.refusals) == 1
    assert made.refusals[0].startswith("model.py:5 wants max_model_len=65")
    assert made.flags["SM_VLLM_MAX_MODEL_LEN"] == "65"
    assert [one.where for one in made.built] == ["model.py:5"]


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = adoption(monkeypatch, SM_VLLM_MAX_MODEL_LEN="32", SM_VLLM_MODEL=str(tmp_path))
    made.record("LLM", "model.py:3", {"model": f"{tmp_path}/", "max_model_len": 64}, KNOWN)
    (row,) = [row for row in made.constructions[0].rows if row.name == "max_model_len"]
    assert (row.outcome, row.note, row.flags) == (Outcome.IGNORED, "SM_VLLM_MAX_MODEL_LEN comes first", {})
    assert made.refusals == []


@pytest.mark.parametrize("variable", ["SM_VLLM_MODEL", "HF_MODEL_ID"])
def test_another_model_of_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch, **{variable: "org/two"})
    with pytest.raises(AdoptionRefused, match=f'{variable} is "org/two", and the script builds "org/one"'):
        built(made)
    assert not made.is_wanted


def test_the_model_that_both_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch, HF_MODEL_ID="org/one")
    assert built(made) == {"SM_VLLM_MODEL": "org/one"}


def test_the_environments_model_where_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch, SM_VLLM_MODEL="org/two", HANDRAIL_ADOPT_MODEL="environment")
    assert built(made) == {}


async def test_a_use_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    made = adoption(monkeypatch, asyncio.get_running_loop())
    using = asyncio.create_task(asyncio.to_thread(made.use, "model.py:7"))
    awaiting = asyncio.create_task(made.arrival.awaited())
    running = Running("the client", asyncio.get_running_loop())
    await asyncio.sleep(0)
    assert made.arrival.running is None
    made.arrival.come(running)
    assert (await using, await awaiting) == (running, running)
    assert made.arrival.running == running
    assert await made.arrival.awaited() == running
    made.arrival.fail("the engine did not start")
    with pytest.raises(RuntimeError, match="the engine did not start"):
        made.use("model.py:7")


def test_a_use_where_no_engine_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineNotHere, match=r"model\.py:7 asks the engine, and none is started here"):
        adoption(monkeypatch).use("model.py:7")


def test_a_child_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made, parent = adoption(monkeypatch), os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(
        AdoptionRefused, match=rf"model\.py:7 is in process {parent + 1}: .* process {parent}\. Start no"
    ):
        made.use("model.py:7")
