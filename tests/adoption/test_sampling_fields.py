"""Fields of sampling parameters that vLLM has no more."""

from __future__ import annotations

from typing import Any

import pytest
from handrail_container.program.adoption import sampling_fields
from pydantic import BaseModel


def current(**given: Any) -> dict[str, Any]:
    return sampling_fields.current(given, lambda: "model.py:5")


@pytest.mark.parametrize(
    "given",
    [
        *[{"use_beam_search": False}, {"best_of": None}, {"best_of": 1}, {"best_of": 1, "n": None}],
        *[{"best_of": 2, "n": 2}, {"length_penalty": 1.0}, {"early_stopping": False}, {"guided_decoding": None}],
        *[{"logits_processors": None}, {"logits_processors": []}, {"truncate_prompt_tokens": None}],
    ],
)
def test_what_changes_nothing_is_dropped(given: dict[str, Any]) -> None:
    assert current(**given, top_k=-1) == {name: given[name] for name in given if name == "n"} | {"top_k": -1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"use_beam_search": True},
            "use_beam_search=True: vLLM has beam search as LLM.beam_search(prompts, BeamSearchParams(…))",
        ),
        ({"length_penalty": 0.5}, "length_penalty=0.5: vLLM has beam search"),
        ({"early_stopping": True}, "early_stopping=True: vLLM has beam search"),
        ({"best_of": 4}, "best_of=4: vLLM does not sample more than it returns; use n=4 and choose"),
        (
            {"logits_processors": [len]},
            "logits_processors in SamplingParams: they run in the engine's process; give their class as the engine's "
            "logits_processors",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_where_it_is_written(given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as refused:
        current(**given)
    assert str(refused.value).startswith(f"model.py:5 {said}")
    assert not str(refused.value).endswith(".")


def test_others_are_as_they_are() -> None:
    """Also unknown ones: vLLM's own error is theirs."""
    assert current(temperature=None, colour="red") == {"temperature": None, "colour": "red"}


def test_guided_decoding_is_another_field() -> None:
    schema = sampling_fields.guided({"json": {"type": "object"}, "backend": "outlines", "disable_fallback": True})
    assert schema == {"json": {"type": "object"}}
    assert current(guided_decoding=schema) == {"structured_outputs": schema}


def test_a_pydantic_model_is_its_schema() -> None:
    class Answer(BaseModel):
        text: str

    assert sampling_fields.guided({"json": Answer}) == {"json": Answer.model_json_schema()}


def test_truncation_is_kept_beside_other_arguments() -> None:
    fields = current(truncate_prompt_tokens=3, extra_args={"mine": 1})
    assert fields == {"extra_args": {"mine": 1, sampling_fields.TRUNCATION: 3}}
    kept = {"truncate_prompt_tokens": 3, "truncation_side": "left"}
    assert sampling_fields.tokenization(fields["extra_args"]) == kept
    assert current(truncate_prompt_tokens=3)["extra_args"] == {sampling_fields.TRUNCATION: 3}
    assert sampling_fields.tokenization(None) == {}
