"""Engines that a script builds after its first: the same one, or a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from handrail.adoption.text import BuildPlace, Built
from handrail_container.program.adoption.record import Adoption, AdoptionRefused, KnownArguments
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


def test_the_model_that_the_environment_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert built(adoption(monkeypatch, HF_MODEL_ID="org/one")) == {"SM_VLLM_MODEL": "org/one"}
