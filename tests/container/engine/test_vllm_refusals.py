"""What vLLM says of a flag, told of the variable that was set."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from handrail_container.engine.vllm.refusals import flags_at_fault, flags_in_message, refused
from pydantic import BaseModel, ValidationError

FLAGS = {"MAX_MODEL_LEN": "999999", "DTYPE": "auto", "CONFIG": "a.yaml"}


def test_the_flag_and_its_value_come_first_and_flags_are_variables() -> None:
    error = TypeError("Error: --enable-auto-tool-choice\nrequires --tool-call-parser")
    assert refused({"ENABLE_AUTO_TOOL_CHOICE": "true"}, ["ENABLE_AUTO_TOOL_CHOICE"], error) == (
        "SM_VLLM_ENABLE_AUTO_TOOL_CHOICE='true' is refused by vLLM: "
        "SM_VLLM_ENABLE_AUTO_TOOL_CHOICE requires SM_VLLM_TOOL_CALL_PARSER"
    )


def test_where_nobody_knows_whose_fault_it_is_none_is_named() -> None:
    assert refused(FLAGS, [], KeyError()) == "vLLM refuses these flags: KeyError"


def test_a_long_value_is_quoted_by_its_beginning() -> None:
    sentence = refused({"HF_OVERRIDES": "x" * 5000}, ["HF_OVERRIDES"], ValueError("no"))
    assert sentence == f"SM_VLLM_HF_OVERRIDES='{'x' * 200}'… is refused by vLLM: no"


def test_what_tells_an_operator_nothing_is_left_out() -> None:
    error = ValueError(
        "argument --x/-x: Value {x cannot be converted to <function loads at 0x7f6b23d6fba0>.\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/x"
    )
    assert (
        refused({"X": "{x"}, ["X"], error) == "SM_VLLM_X='{x' is refused by vLLM: Value {x cannot be converted to JSON."
    )


def test_a_check_of_pydantics_is_told_without_its_frame() -> None:
    class Config(BaseModel):
        max_model_len: int

    with pytest.raises(ValidationError) as raised:
        Config.model_validate({"max_model_len": "x"})
    assert flags_in_message(FLAGS, raised.value) == ["MAX_MODEL_LEN"]
    assert "validation error" not in refused(FLAGS, ["MAX_MODEL_LEN"], raised.value)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("User-specified max_model_len (999999) is greater than the derived", ["MAX_MODEL_LEN"]),
        ("lower --max-model-len, or set --dtype", ["MAX_MODEL_LEN", "DTYPE"]),
        ("the config of the model has another dtype", []),
        ("max_model_length is another", []),
    ],
)
def test_a_reason_names_the_flags_it_is_about(said: str, names: list[str]) -> None:
    assert flags_in_message(FLAGS, ValueError(said)) == names


def test_to_blame_is_what_the_others_pass_without() -> None:
    def passes(flags: Mapping[str, str]) -> bool:
        return "a" not in flags and not {"b", "c"} <= flags.keys()

    assert flags_at_fault({"a": "1", "d": "2"}, passes) == ["a"]
    assert flags_at_fault({"b": "1", "c": "2", "d": "3"}, passes) == ["b", "c"]
    assert flags_at_fault({"a": "1", "b": "1", "c": "2"}, passes) == []
