"""Arguments that vLLM has no more, by their values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from handrail_container.program.config_field import Outcome

from tests.adoption.rows import KNOWN, flags, row, rows

MAPPED, IGNORED, REFUSED = Outcome.MAPPED, Outcome.IGNORED, Outcome.REFUSED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("use_v2_block_manager", True), ("swap_space", 0), ("num_scheduler_steps", 8), ("worker_use_ray", True)],
        *[("disable_log_requests", True), ("disable_log_requests", "true"), ("device", "cuda"), ("device", "cuda:0")],
        *[("max_seq_len_to_capture", 4096), ("max_context_len_to_capture", 4096), ("max_log_len", 10)],
    ],
)
def test_what_changes_no_answer_is_dropped_with_a_line(name: str, value: Any) -> None:
    found = row(name, value)
    assert (found.outcome, found.flags, found.is_warned) == (IGNORED, {}, False)
    assert found.note.startswith("no argument of vLLM any more: ")


@pytest.mark.parametrize(("name", "value"), [("swap_space", 4), ("device", "auto"), ("task", "auto"), ("task", None)])
def test_the_old_default_says_nothing(name: str, value: Any) -> None:
    assert row(name, value).note == "no argument of vLLM any more, and the value is what vLLM did without it"


@pytest.mark.parametrize(
    ("task", "mapped"),
    [
        ("generate", {"SM_VLLM_RUNNER": "generate"}),
        ("embed", {"SM_VLLM_RUNNER": "pooling", "SM_VLLM_CONVERT": "embed"}),
        ("embedding", {"SM_VLLM_RUNNER": "pooling", "SM_VLLM_CONVERT": "embed"}),
        ("classify", {"SM_VLLM_RUNNER": "pooling", "SM_VLLM_CONVERT": "classify"}),
        ("score", {"SM_VLLM_RUNNER": "pooling", "SM_VLLM_CONVERT": "classify"}),
        ("reward", {"SM_VLLM_RUNNER": "pooling"}),
    ],
)
def test_a_task_is_a_runner_and_a_conversion(task: str, mapped: dict[str, str]) -> None:
    assert flags({"task": task}) == mapped


def test_a_task_that_never_was_is_refused() -> None:
    assert row("task", "sing").note.startswith("'sing' is no task of vLLM's: write one of generate, ")


@pytest.mark.parametrize(
    ("device", "has_gpu", "build"), [("neuron", True, "CUDA"), ("tpu", False, "CPUs"), ("cpu", True, "CUDA")]
)
def test_another_device_is_refused(device: str, has_gpu: bool, build: str) -> None:
    found = row("device", device, has_gpu=has_gpu)
    assert found.outcome is REFUSED
    assert str(found) == f'model.py:7 device: "{device}" is asked for, and this is a build for {build}. Remove it'


def test_the_device_that_there_is_is_dropped() -> None:
    assert row("device", "cpu", has_gpu=False).outcome is IGNORED


def test_ngram_speculation_is_one_dict() -> None:
    given = {
        **{"speculative_model": "[ngram]", "num_speculative_tokens": 5},
        **{"ngram_prompt_lookup_max": 4, "ngram_prompt_lookup_min": 1},
    }
    whole = {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4, "prompt_lookup_min": 1}
    assert {name: json.loads(value) for name, value in flags(given).items()} == {"SM_VLLM_SPECULATIVE_CONFIG": whole}
    assert {one.outcome for one in rows(given).values()} == {MAPPED}
    assert {(one.outcome, one.needs_gpu) for one in rows(given, has_gpu=False).values()} == {(IGNORED, True)}


def test_another_models_speculation_too() -> None:
    given = {"speculative_model": "a/draft", "speculative_draft_tensor_parallel_size": 1, "num_speculative_tokens": 5}
    whole = {"model": "a/draft", "draft_tensor_parallel_size": 1, "num_speculative_tokens": 5}
    assert json.loads(flags(given)["SM_VLLM_SPECULATIVE_CONFIG"]) == whole
    assert row("num_speculative_tokens", 5).note == "there is no speculative_model, whose it is"


@pytest.mark.parametrize(
    ("name", "value", "whole"),
    [
        ("guided_decoding_backend", "outlines", {"backend": "outlines"}),
        (
            *("guided_decoding_backend", "xgrammar:disable-any-whitespace,no-fallback"),
            {"backend": "xgrammar", "disable_any_whitespace": True},
        ),
        ("guided_decoding_disable_any_whitespace", True, {"disable_any_whitespace": True}),
    ],
)
def test_guided_decoding_is_structured_outputs(name: str, value: Any, whole: dict[str, Any]) -> None:
    assert json.loads(flags({name: value})["SM_VLLM_STRUCTURED_OUTPUTS_CONFIG"]) == whole


def test_one_flag_of_two_arguments_is_merged_and_the_new_one_wins() -> None:
    given = {
        "structured_outputs_config": {"backend": "xgrammar"},
        **{"guided_decoding_backend": "outlines", "guided_decoding_disable_any_whitespace": True},
    }
    found = rows(given)
    texts = {one.flags["SM_VLLM_STRUCTURED_OUTPUTS_CONFIG"] for one in found.values()}
    assert [json.loads(text) for text in texts] == [{"backend": "xgrammar", "disable_any_whitespace": True}]


def test_what_cannot_be_written_spoils_no_other() -> None:
    given = {"structured_outputs_config": {"backend": lambda: 1}, "guided_decoding_backend": "outlines"}
    assert [one.outcome for one in rows(given).values()] == [REFUSED, MAPPED]


def test_positions_are_overrides_of_the_model() -> None:
    given = {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 1e4, "hf_overrides": {"a": 1}}
    whole = {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}, "a": 1}
    assert json.loads(flags(given)["SM_VLLM_HF_OVERRIDES"]) == whole
    assert flags(given | {"rope_scaling": '{"type": "linear", "factor": 2.0}'}) == flags(given)
    own = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6}
    assert json.loads(flags({"rope_scaling": own})["SM_VLLM_HF_OVERRIDES"]) == {"rope_parameters": own}


@pytest.mark.parametrize("given", [{"rope_theta": 1e6}, {"rope_scaling": {"type": "linear", "factor": 2.0}}])
def test_half_of_the_positions_is_refused(given: dict[str, Any]) -> None:
    """The dict replaces the model's own: the other half would be lost."""
    (found,) = rows(given).values()
    assert found.outcome is REFUSED
    assert "write hf_overrides with all of" in found.note


@pytest.mark.parametrize(
    ("name", "value", "mapped"),
    [
        ("cuda_graph_sizes", [1, 2], {"SM_VLLM_CUDAGRAPH_CAPTURE_SIZES": "[1, 2]"}),
        ("override_pooler_config", {"pooling_type": "MEAN"}, {"SM_VLLM_POOLER_CONFIG": '{"pooling_type": "MEAN"}'}),
        ("disable_mm_preprocessor_cache", True, {"SM_VLLM_MM_PROCESSOR_CACHE_GB": "0"}),
        ("enable_multimodal_encoder_data_parallel", True, {"SM_VLLM_MM_ENCODER_TP_MODE": "data"}),
        ("eplb_window_size", 10, {"SM_VLLM_EPLB_CONFIG": '{"window_size": 10}'}),
    ],
)
def test_others_have_another_name(name: str, value: Any, mapped: dict[str, str]) -> None:
    assert flags({name: value}) == mapped


def test_an_argument_without_an_heir_is_refused() -> None:
    found = row("override_neuron_config", {"a": 1}, known=KNOWN)
    assert found.outcome is REFUSED
    assert str(found) == (
        "model.py:7 override_neuron_config: no argument of vLLM any more: "
        "this is no build for Neuron devices. Remove it"
    )
