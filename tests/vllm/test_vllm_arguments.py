"""`SM_VLLM_*` through the installed vLLM's parser; no engine is started."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import MODEL
from handrail_container.engine.vllm import arguments
from handrail_container.engine.vllm.names import vllm
from handrail_container.process.exits import SettingsError

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]


def parse(model: str | Path = MODEL, **flags: str) -> Namespace:
    return arguments.parse(str(model), {f"SM_VLLM_{name}": value for name, value in flags.items()})


def problems(**flags: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        parse(**flags)
    return refused.value.problems


def test_flags_reach_vllm() -> None:
    args = parse(MAX_MODEL_LEN="1k", HF_OVERRIDES='{"a": 1}', SERVED_MODEL_NAME='["a", "b"]', MODEL="another")
    assert args.model == str(MODEL)
    assert args.max_model_len == 1000
    assert args.hf_overrides == {"a": 1}
    assert args.served_model_name == ["a", "b"]


def test_on_a_cpu_float32_and_eager_are_the_default() -> None:
    args = parse()
    assert (args.dtype, args.enforce_eager) == ("float32", True)
    assert 0 < args.kv_cache_memory_bytes <= 4 << 30


def test_what_the_user_sets_stays() -> None:
    args = parse(DTYPE="auto", NO_ENFORCE_EAGER="true", GPU_MEMORY_UTILIZATION="0.5")
    assert (args.dtype, args.enforce_eager, args.kv_cache_memory_bytes) == ("auto", False, None)


def test_what_a_configuration_file_sets_stays_too(tmp_path: Path) -> None:
    config = tmp_path / "vllm.yaml"
    config.write_text("dtype: float16\nmax-model-len: 64\n")
    args = parse(CONFIG=str(config))
    assert (args.dtype, args.max_model_len, args.enforce_eager) == ("float16", 64, True)


def test_a_directory_is_served_under_its_name_too() -> None:
    assert parse().served_model_name == [str(MODEL), MODEL.name]
    assert parse("an/id").served_model_name is None


def test_all_problems_are_reported_at_once_each_naming_its_variable() -> None:
    found = problems(MAX_MODEL_LENGTH="5", TP="2", DTYPE="foo", MAX_NUM_SEQS="abc", SEED="true", API_KEY="secret")
    assert len(found) == 6
    text = "\n".join(found)
    assert "SM_VLLM_MAX_MODEL_LENGTH is not a flag of vLLM: did you mean SM_VLLM_MAX_MODEL_LEN?" in found
    assert "SM_VLLM_TP is not a flag of vLLM: did you mean SM_VLLM_TENSOR_PARALLEL_SIZE?" in found
    assert "SM_VLLM_MAX_NUM_SEQS='abc' is refused by vLLM: invalid int value: 'abc'" in found
    assert "SM_VLLM_DTYPE='foo'" in text
    assert "set HANDRAIL_API_KEY" in text
    assert "--" not in text


def test_a_path_that_is_not_there_is_no_name_on_the_hub() -> None:
    with pytest.raises(SettingsError, match="'/no/model' does not exist"):
        parse("/no/model")


def test_an_abbreviation_is_not_a_flag() -> None:
    assert problems(MAX_MODEL="77") == ("SM_VLLM_MAX_MODEL is not a flag of vLLM: did you mean SM_VLLM_MAX_MODEL_LEN?",)


def test_flags_that_need_another_name_both_as_variables() -> None:
    (found,) = problems(ENABLE_AUTO_TOOL_CHOICE="true")
    assert found.endswith("SM_VLLM_ENABLE_AUTO_TOOL_CHOICE requires SM_VLLM_TOOL_CALL_PARSER")


def test_an_object_with_a_typing_error_is_refused_and_a_template_is_not() -> None:
    (found,) = problems(HF_OVERRIDES="{bad}")
    assert found.startswith("SM_VLLM_HF_OVERRIDES='{bad}' is refused by vLLM")
    assert parse(CHAT_TEMPLATE="{{ messages }}").chat_template == "{{ messages }}"


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    (found,) = problems(CONFIG=str(tmp_path / "none.yaml"))
    assert found.startswith("SM_VLLM_CONFIG=")
    assert "none.yaml" in found


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"CHAT_TEMPLATE": "/opt/ml/model/t.jinja"},
            "SM_VLLM_CHAT_TEMPLATE='/opt/ml/model/t.jinja' is refused by vLLM: ",
        ),
        ({"CHAT_TEMPLATE": "/no/t", "SEED": "1"}, "SM_VLLM_CHAT_TEMPLATE='/no/t' is refused by vLLM: "),
        ({"CHAT_TEMPLATE": "{% if %}"}, "SM_VLLM_CHAT_TEMPLATE names a template that Jinja cannot read: line 1: "),
        ({"TOKENIZER": "/no/tokenizer"}, "SM_VLLM_TOKENIZER names '/no/tokenizer', which does not exist"),
        ({"ENABLE_LORA": "true", "LORA_MODULES": "a=/no/a"}, "SM_VLLM_LORA_MODULES names an adapter 'a' at '/no/a', "),
        ({"LORA_MODULES": '{"name": "a", "path": }'}, 'SM_VLLM_LORA_MODULES=\'{"name": "a", "path": }\' is refused'),
        ({"SPECULATIVE_CONFIG": '{"method": }'}, "SM_VLLM_SPECULATIVE_CONFIG='{\"method\": }' is refused by vLLM: "),
        ({"SSE_KEEP_ALIVE_INTERVAL": "-1"}, "SM_VLLM_SSE_KEEP_ALIVE_INTERVAL='-1' is refused by vLLM: "),
    ],
)
def test_whatever_vllm_says_of_a_flag_names_its_variable_and_its_value(flags: dict[str, str], said: str) -> None:
    (found,) = problems(**flags)
    assert found.startswith(said)


def test_a_configuration_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "vllm.yaml").write_text("a: [")
    (found,) = problems(CONFIG=str(tmp_path / "vllm.yaml"))
    assert found.startswith("SM_VLLM_CONFIG=")


def test_a_flag_without_effect_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="handrail_container"):
        parse(PORT="9000", ENABLE_PREFIX_CACHING="false", ENFORCE_EAGER="false")
    port, prefix_caching = (record.getMessage() for record in caplog.records)
    assert port.startswith("SM_VLLM_PORT has no effect")
    assert prefix_caching.endswith("set SM_VLLM_NO_ENABLE_PREFIX_CACHING=true")


@pytest.mark.parametrize(
    ("flags", "places"),
    [
        ({"ENABLE_LORA": "true"}, (5, None)),
        ({"ENABLE_LORA": "true", "MAX_LORAS": "2"}, (3, None)),
        ({"ENABLE_LORA": "true", "MAX_LORAS": "2", "MAX_CPU_LORAS": "2"}, (3, 3)),
        ({"ENABLE_LORA": "true", "MAX_LORAS": "2", "MAX_CPU_LORAS": "8"}, (3, 8)),
    ],
)
def test_one_place_for_adapters_stays_empty(flags: dict[str, str], places: tuple[int, int | None]) -> None:
    """Beside those that were asked for, on a CPU."""
    if not vllm("current_platform").is_cpu():
        pytest.skip("only on a CPU does vLLM answer with the last place")
    args = parse(**flags)
    assert (args.max_loras, args.max_cpu_loras) == places
