"""Arguments of an engine that a script builds when the server's runs already."""

from __future__ import annotations

import pytest
from handrail_container.program.adoption.arguments import late

RUNNING = {"SM_VLLM_MODEL": "a/model", "SM_VLLM_MAX_MODEL_LEN": "2048", "SM_VLLM_ENFORCE_EAGER": "true"}


def lines(**given: str) -> list[str]:
    said, refusals = late({f"SM_VLLM_{name}": value for name, value in given.items()}, RUNNING, "model.py:3")
    assert refusals == []
    return said


def refusals(**given: str) -> list[str]:
    said, refused = late({f"SM_VLLM_{name}": value for name, value in given.items()}, RUNNING, "model.py:3")
    assert said == []
    return refused


def test_what_is_the_same_is_not_said() -> None:
    assert lines(MODEL="a/model", MAX_MODEL_LEN="2048", ENFORCE_EAGER="True") == []


def test_speed_is_a_line() -> None:
    assert lines(GPU_MEMORY_UTILIZATION="0.9", NO_ENFORCE_EAGER="true", MAX_NUM_SEQS="4") == [
        f"model.py:3 wants {wanted}, and the engine already runs with {there}; answers are the same"
        for wanted, there in (
            ("gpu_memory_utilization=0.9", "vLLM's default"),
            ("enforce_eager=false", "true"),
            ("max_num_seqs=4", "vLLM's default"),
        )
    ]


def test_a_negation_means_its_opposite() -> None:
    given = {"SM_VLLM_ENABLE_PREFIX_CACHING": "true"}
    assert late(given, {"SM_VLLM_NO_ENABLE_PREFIX_CACHING": "false"}, "") == ([], [])


def test_another_answer_is_refused() -> None:
    assert refusals(DTYPE="float16", NO_ENABLE_LORA="true") == [
        "model.py:3 wants dtype=float16, and the engine already runs with vLLM's default: set SM_VLLM_DTYPE=float16",
        "model.py:3 wants enable_lora=false, and the engine already runs with vLLM's default: "
        "set SM_VLLM_NO_ENABLE_LORA=true",
    ]


def test_another_model_is_refused() -> None:
    assert refusals(MODEL="b/model") == [
        'model.py:3 asks for "b/model", and this server\'s engine is "a/model": there is one engine. '
        "Serve b/model by a server of its own"
    ]


@pytest.mark.parametrize(("asked", "is_more"), [("1024", False), ("2k", False), ("2K", False), ("4096", True)])
def test_a_length_is_refused_only_if_it_is_more(asked: str, is_more: bool) -> None:
    said, refused = late({"SM_VLLM_MAX_MODEL_LEN": asked}, RUNNING, "model.py:3")
    assert (len(said), len(refused)) == ((0, 1) if is_more else (1, 0))


@pytest.mark.parametrize("asked", ["auto", "2.5k"])
def test_a_length_with_nothing_to_compare_is_a_line(asked: str) -> None:
    said, refused = late({"SM_VLLM_MAX_MODEL_LEN": asked}, {}, "model.py:3")
    assert (len(said), refused) == (1, [])


def test_a_shorter_length_is_a_line() -> None:
    assert lines(MAX_MODEL_LEN="128") == [
        "model.py:3 wants max_model_len=128, and the engine already runs with 2048; which is longer"
    ]
