"""What a script builds is recorded: the flags that the engine gets by it, and what is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from handrail.adoption.text import BuildPlace, Built
from handrail_container.program.adoption.arrival import EngineArrival, Running
from handrail_container.program.adoption.record import (
    Adoption,
    AdoptionRefused,
    EngineNotHere,
    KnownArguments,
)
from handrail_container.settings import environment

KNOWN = KnownArguments(
    ["model", "max_model_len", "max_num_seqs", "seed", "hf_token", "enable_prefix_caching"], has_gpu=False
)
ASKED = {"model": "org/model", "max_model_len": 256}


@pytest.fixture
def adopting(monkeypatch: pytest.MonkeyPatch) -> Any:
    def adoption(**given: str) -> Adoption:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        return Adoption(environment.read(), None)

    return adoption


def test_the_first_construction_asks_for_the_engine(adopting: Any) -> None:
    adoption, wanted = adopting(), list[int]()
    adoption.when_wanted = lambda: wanted.append(1)
    assert not adoption.is_wanted
    adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    again = adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    adoption.record("LLM", "model.py:9", ASKED, KNOWN)
    assert (len(adoption.constructions), wanted) == (2, [1])
    assert again == adoption.constructions[0]
    assert adoption.flags == {"SM_VLLM_MODEL": "org/model", "SM_VLLM_MAX_MODEL_LEN": "256"}
    assert adoption.sentences()[0] == (
        "model.py:3 LLM is the server's engine; max_model_len: mapped: SM_VLLM_MAX_MODEL_LEN=256"
    )


def test_the_environment_comes_first(adopting: Any) -> None:
    adoption = adopting(SM_VLLM_MAX_MODEL_LEN="128", SM_VLLM_NO_ENABLE_PREFIX_CACHING="true")
    asked = {**ASKED, "enable_prefix_caching": True, "seed": 3}
    built = adoption.record("LLM", "model.py:3", asked, KNOWN)
    assert adoption.flags == {"SM_VLLM_MODEL": "org/model", "SM_VLLM_SEED": "3"}
    notes = {row.name: row.note for row in built.rows}
    assert notes["max_model_len"] == "SM_VLLM_MAX_MODEL_LEN comes first"
    assert "comes first" in notes["enable_prefix_caching"]


def test_arguments_are_dropped_by_name(adopting: Any) -> None:
    adoption = adopting(HANDRAIL_ADOPT_DROP="seed, max_model_len")
    adoption.record("LLM", "model.py:3", {**ASKED, "seed": 3}, KNOWN)
    assert adoption.flags == {"SM_VLLM_MODEL": "org/model"}


@pytest.mark.parametrize("variable", ["SM_VLLM_MODEL", "HF_MODEL_ID"])
def test_another_model_in_the_environment_is_refused(adopting: Any, variable: str) -> None:
    adoption = adopting(**{variable: "org/other"})
    said = (
        f'model.py:3 model: {variable} is "org/other", and the script builds "org/model": its prompts are made for '
        "org/model. Set one of them, or HANDRAIL_ADOPT_MODEL=environment if the weights are meant to be those"
    )
    for _ in range(2):
        with pytest.raises(AdoptionRefused) as refused:
            adoption.record("LLM", "model.py:3", ASKED, KNOWN)
        assert str(refused.value) == said
    assert len(adoption.refusals) == 1
    assert not adoption.is_wanted


def test_the_environments_model_may_be_meant(adopting: Any) -> None:
    adoption = adopting(SM_VLLM_MODEL="org/other", HANDRAIL_ADOPT_MODEL="environment")
    built = adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    assert adoption.flags == {"SM_VLLM_MAX_MODEL_LEN": "256"}
    assert built.rows[0].note == "SM_VLLM_MODEL comes first (HANDRAIL_ADOPT_MODEL=environment)"


def test_the_same_directory_is_the_same_model(adopting: Any, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    adoption = adopting(SM_VLLM_MODEL=str(tmp_path / "link"))
    adoption.record("LLM", "model.py:3", {"model": str(tmp_path)}, KNOWN)
    assert adoption.is_wanted


def test_two_that_differ(adopting: Any) -> None:
    """In speed: a line, once. In answers: refused, with both places."""
    adoption = adopting()
    adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    for _ in range(2):
        adoption.record("LLM", "model.py:5", {**ASKED, "max_num_seqs": 7}, KNOWN)
    assert len(adoption.remarks) == 1
    with pytest.raises(AdoptionRefused, match=r'model.py:7 asks for "org/other".*\(the engine is that of model.py:3\)'):
        adoption.record("LLM", "model.py:7", {"model": "org/other"}, KNOWN)


def test_an_engine_that_runs_is_compared_with(adopting: Any) -> None:
    adoption = adopting()
    adoption.engine_runs_with({"SM_VLLM_MODEL": "org/model", "SM_VLLM_MAX_MODEL_LEN": "128"})
    with pytest.raises(AdoptionRefused, match="wants max_model_len=256, and the engine already runs with 128"):
        adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    adoption.begin_anew()
    assert (adoption.refusals, adoption.built) == ([], [])
    adoption.record("LLM", "model.py:3", {"model": "org/model"}, KNOWN)
    assert adoption.is_wanted


def test_what_the_text_says_is_expected(adopting: Any) -> None:
    adoption = adopting()
    asked = {**ASKED, "swap_space": 4}
    built = adoption.expect(Built("LLM", "model.py:3", asked, (), BuildPlace.FUNCTION))
    assert adoption.built == [built]
    assert not adoption.is_wanted
    assert adoption.flags == {"SM_VLLM_MODEL": "org/model", "SM_VLLM_MAX_MODEL_LEN": "256"}
    assert {row.name: str(row.outcome) for row in built.rows}["swap_space"] == "ignored"
    adoption.record("LLM", "model.py:3", {"model": "org/model"}, KNOWN)
    assert adoption.flags == {"SM_VLLM_MODEL": "org/model"}


def test_what_the_text_says_may_be_refused(adopting: Any) -> None:
    adoption = adopting()
    adoption.expect(Built("LLM", "model.py:3", {**ASKED, "image_input_type": "x"}, (), BuildPlace.FUNCTION))
    assert [sentence.startswith("model.py:3 image_input_type") for sentence in adoption.refusals] == [True]


def test_a_token_is_hidden(adopting: Any) -> None:
    adoption = adopting()
    adoption.record("LLM", "model.py:3", {**ASKED, "hf_token": "hf_abcdefghij"}, KNOWN)
    assert "hf_abcdefghij" not in adoption._settings.redactor("its token is hf_abcdefghij")


def test_a_child_process_has_no_engine(adopting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adoption, pid = adopting(), os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    said = rf"model.py:3 is in process {pid + 1}: the engine belongs to process {pid}"
    with pytest.raises(AdoptionRefused, match=said):
        adoption.record("LLM", "model.py:3", ASKED, KNOWN)
    with pytest.raises(AdoptionRefused, match=said):
        adoption.use("model.py:3")


def test_where_none_is_started_a_use_says_so(adopting: Any) -> None:
    with pytest.raises(EngineNotHere, match=r"model.py:5 asks the engine, and none is started here"):
        adopting().use("model.py:5")


async def test_uses_wait_for_the_engine() -> None:
    """In threads and in coroutines, on any loop; a cancelled one cancels no other."""
    adoption, found = Adoption(environment.read(), asyncio.get_running_loop()), list[Running]()
    thread = threading.Thread(target=lambda: found.append(adoption.use("model.py:3")))
    elsewhere = threading.Thread(target=lambda: found.append(asyncio.run(adoption.arrival.awaited())))
    here = asyncio.create_task(adoption.arrival.awaited())
    cancelled = asyncio.create_task(adoption.arrival.awaited())
    thread.start()
    elsewhere.start()
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    assert adoption.arrival.running is None
    running = Running(object(), asyncio.get_running_loop())
    adoption.arrival.come(running)
    assert await here is running
    for each in (thread, elsewhere):
        await asyncio.to_thread(each.join)
    assert found == [running, running]
    assert await adoption.arrival.awaited() is running
    assert adoption.arrival.is_settled


def test_an_engine_that_does_not_come() -> None:
    arrival = EngineArrival()
    arrival.fail("it did not start")
    with pytest.raises(RuntimeError, match="it did not start"):
        arrival.wait()
    assert arrival.running is None


async def test_an_engine_that_has_gone() -> None:
    arrival = EngineArrival()
    arrival.come(Running(object(), asyncio.get_running_loop()))
    arrival.fail("the server is stopping")
    with pytest.raises(RuntimeError, match="the server is stopping"):
        await arrival.awaited()
