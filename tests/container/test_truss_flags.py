"""Fields of config.yaml as vLLM's flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.styles.truss.config import TrussConfig
from handrail_container.process.exits import SettingsError
from handrail_container.program import engine_config, truss_flags
from handrail_container.program.config_field import Field, Outcome
from handrail_container.program.truss_flags import engine_flags, fields
from handrail_container.settings.fields import Settings


def rows(data: dict[str, Any], *, on_gpu: bool = True) -> list[Field]:
    return fields(TrussConfig(Path("/ml/config.yaml"), data, {"resources": 1}), on_gpu=on_gpu)


def nested(name: str, value: Any) -> dict[str, Any]:
    for key in reversed(name.split(".")):
        value = {key: value}
    return dict(value)


BUILD, RUNTIME = "trt_llm.build.", "trt_llm.runtime."


@pytest.mark.parametrize(
    ("name", "value", "flags"),
    [
        ("model_name", "m", {"SERVED_MODEL_NAME": "m"}),
        (f"{BUILD}max_seq_len", 2048, {"MAX_MODEL_LEN": "2048"}),
        (f"{BUILD}max_batch_size", 64, {"MAX_NUM_SEQS": "64"}),
        (f"{BUILD}max_num_tokens", 8192, {"MAX_NUM_BATCHED_TOKENS": "8192"}),
        (f"{BUILD}tensor_parallel_count", 2, {"TENSOR_PARALLEL_SIZE": "2"}),
        (f"{BUILD}pipeline_parallel_count", 2, {"PIPELINE_PARALLEL_SIZE": "2"}),
        (f"{BUILD}moe_expert_parallel_option", 1, {"ENABLE_EXPERT_PARALLEL": "true"}),
        (f"{BUILD}plugin_configuration.use_paged_context_fmha", True, {"ENABLE_PREFIX_CACHING": "true"}),
        (f"{BUILD}quantization_type", "fp8", {"QUANTIZATION": "fp8"}),
        (f"{BUILD}quantization_type", "fp8_kv", {"QUANTIZATION": "fp8", "KV_CACHE_DTYPE": "fp8"}),
        (f"{BUILD}base_model", "encoder_bert", {"RUNNER": "pooling"}),
        (f"{BUILD}lora_configuration.max_lora_rank", 16, {"MAX_LORA_RANK": "16"}),
        (
            f"{BUILD}lora_adapters",
            {"a": {"source": "HF", "repo": "org/a"}, "b": "/b"},
            {
                "ENABLE_LORA": "true",
                "LORA_MODULES": '{"name": "a", "path": "org/a"} {"name": "b", "path": "/b"}',
            },
        ),
        (f"{BUILD}checkpoint_repository", {"source": "HF", "repo": "org/m"}, {"MODEL": "org/m"}),
        (f"{BUILD}checkpoint_repository", "org/m", {"MODEL": "org/m"}),
        (
            f"{BUILD}checkpoint_repository",
            {"repo": "org/m", "revision": "abc"},
            {"MODEL": "org/m", "REVISION": "abc", "TOKENIZER_REVISION": "abc"},
        ),
        (f"{RUNTIME}served_model_name", "m", {"SERVED_MODEL_NAME": "m"}),
        (f"{RUNTIME}enable_chunked_context", False, {"NO_ENABLE_CHUNKED_PREFILL": "true"}),
        (f"{RUNTIME}max_seq_len", 4096, {"MAX_MODEL_LEN": "4096"}),
        (f"{RUNTIME}kv_cache_free_gpu_mem_fraction", 0.9, {"GPU_MEMORY_UTILIZATION": "0.9"}),
        (f"{RUNTIME}request_default_max_tokens", 99, {"OVERRIDE_GENERATION_CONFIG": '{"max_new_tokens": 99}'}),
        ("vllm.max-model-len", 2048, {"MAX_MODEL_LEN": "2048"}),
        ("vllm.--seed", 1, {"SEED": "1"}),
        ("model_metadata.vllm_config.hf_overrides", {"a": 1}, {"HF_OVERRIDES": '{"a": 1}'}),
    ],
)
def test_a_field_is_mapped(name: str, value: Any, flags: dict[str, str]) -> None:
    (row,) = rows(nested(name, value))
    assert (row.name, row.outcome) == (name, Outcome.MAPPED)
    assert row.flags == {f"SM_VLLM_{flag}": given for flag, given in flags.items()}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("description", "x", "a remark"),
        ("resources", {"accelerator": "H100"}, "the machine is as it is"),
        ("model_metadata.example_model_input", {}, "a remark"),
        ("what_is_this", 1, "not known"),
        (f"{BUILD}base_model", "decoder", "vLLM reads it from the weights"),
        (f"{BUILD}quantization_type", "no_quant", "nothing to do"),
        (f"{BUILD}moe_expert_parallel_option", 0, "off"),
        (f"{BUILD}strongly_typed", True, "vLLM has nothing like it"),
        (f"{BUILD}speculator", {}, "speculative_config under `vllm`"),
        (f"{RUNTIME}kv_cache_free_gpu_mem_fraction", 0.5, "gpu_memory_utilization under `vllm`"),
    ],
)
def test_a_field_is_ignored_for_a_reason(name: str, value: Any, why: str) -> None:
    (row,) = rows(nested(name, value))
    assert (row.outcome, row.flags) == (Outcome.IGNORED, {})
    assert why in row.note


@pytest.mark.parametrize(
    ("name", "value", "what_for"),
    [
        ("runtime", {"predict_concurrency": 1}, "the Model's"),
        ("environment_variables", {"A": "b"}, "set where the process has none of that name"),
        ("requirements", ["humanize"], "installed before the script is imported"),
        ("requirements_file", "more.txt", "installed before the script is imported"),
        ("secrets", {"key": None}, "the Model's"),
        ("model_metadata.tags", ["openai-compatible"], "in which form engine.predict answers"),
    ],
)
def test_a_field_that_is_no_flag_may_be_used(name: str, value: Any, what_for: str) -> None:
    (row,) = rows(nested(name, value))
    assert (row.outcome, row.flags) == (Outcome.USED, {})
    assert what_for in row.note


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("docker_server", {"start_command": "x"}, "start that image"),
        ("runtime", {"transport": {"kind": "grpc"}}, "grpc is not served: use http or websocket"),
        ("runtime", {"transport": "grpc"}, "grpc is not served"),
        (f"{BUILD}quantization_type", "fp4", "fp4 needs weights that are quantized already"),
        (f"{BUILD}checkpoint_repository", {"source": "S3", "repo": "s3://x"}, "source S3 is not read here"),
    ],
)
def test_a_field_is_refused_with_what_to_do_instead(name: str, value: Any, instead: str) -> None:
    (row,) = rows(nested(name, value))
    assert row.outcome is Outcome.REFUSED
    assert instead in row.note


def test_the_native_block_comes_first() -> None:
    """Then the one in the metadata, then what is mapped, then the model's name."""
    given = rows(
        {
            "model_name": "name",
            "trt_llm": {"build": {"max_seq_len": 1, "max_batch_size": 1}, "runtime": {"served_model_name": "served"}},
            "model_metadata": {"vllm_config": {"max_num_seqs": 2, "max_model_len": 2}},
            "vllm": {"max_model_len": 3},
        }
    )
    assert engine_flags(given) == {
        "SM_VLLM_MAX_MODEL_LEN": "3",
        "SM_VLLM_MAX_NUM_SEQS": "2",
        "SM_VLLM_SERVED_MODEL_NAME": "served",
    }


SEED = {"resources": {"accelerator": "H100"}, "trt_llm": {"build": {"quantization_type": "fp8"}}}


def settings(folder: Path, text: str, **given: Any) -> Settings:
    (folder / "config.yaml").write_text(text)
    return Settings(**{"SAGEMAKER_MODEL_PATH": folder, **given})


def test_what_wants_a_gpu_is_ignored_without_one_in_one_warning(tmp_path: Path) -> None:
    assert [row.needs_gpu for row in rows(SEED)] == [False, False]
    assert [row.note for row in rows(SEED, on_gpu=False)] == ["there is no GPU for it"] * 2
    text = "resources: {use_gpu: true}\ntrt_llm:\n  build:\n    quantization_type: fp8\n"
    config = engine_config.read(settings(tmp_path, text, HANDRAIL_ENGINE="echo"))
    file = tmp_path / "config.yaml"
    assert config.warnings == (f"{file}:1 resources, {file}:4 trt_llm.build.quantization_type: there is no GPU for it",)
    assert engine_config.read(settings(tmp_path, "model_name: m", HANDRAIL_ENGINE="echo")).warnings == ()


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And `environment_variables` before the file's own fields."""
    monkeypatch.setattr(truss_flags, "has_gpu", lambda: True)
    text = """
vllm: {model: org/m, max_model_len: 1, seed: 1, dtype: half}
environment_variables: {SM_VLLM_MAX_MODEL_LEN: 2, SM_VLLM_SEED: 2, SM_VLLM_ENFORCE_EAGER: true, OTHER: x}
"""
    config = engine_config.read(settings(tmp_path, text, **{"SM_VLLM_<FLAG>": {"SM_VLLM_SEED": "3"}}))
    assert config.model == "org/m"
    assert config.flags == {
        "SM_VLLM_MAX_MODEL_LEN": "2",
        "SM_VLLM_SEED": "3",
        "SM_VLLM_DTYPE": "half",
        "SM_VLLM_ENFORCE_EAGER": "true",
    }


def test_variables_of_the_file_are_set_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE_ALREADY", "yes")
    monkeypatch.setenv("FROM_THE_FILE", "")
    monkeypatch.delenv("FROM_THE_FILE")
    text = "environment_variables: {THERE_ALREADY: 'no', FROM_THE_FILE: true, SM_VLLM_SEED: 1}"
    engine_config.set_variables(settings(tmp_path, text))
    environment = engine_config.environment.process_environment()
    assert (environment["THERE_ALREADY"], environment["FROM_THE_FILE"]) == ("yes", "true")
    assert "SM_VLLM_SEED" not in environment
    engine_config.set_variables(settings(tmp_path, "environment_variables: none"))
    engine_config.set_variables(settings(tmp_path, "a: 1\na: 2"))


def test_what_is_refused_stops_the_start(tmp_path: Path) -> None:
    """With its line; a file that cannot be read is the program's fault, not the settings'."""
    refused = engine_config.read(settings(tmp_path, "docker_server: {}"))
    with pytest.raises(SettingsError, match=r"config\.yaml:1 docker_server: a server of its own"):
        engine_config.require_no_problems(refused)
    assert engine_config.read(settings(tmp_path, "a: 1\na: 2")).flags == {}


def test_a_gpu_is_a_device() -> None:
    assert truss_flags.has_gpu() is any(Path("/dev").glob("nvidia[0-9]*"))


def test_what_truss_writes_out_as_null_is_not_there(tmp_path: Path) -> None:
    """It writes every field, the server of its own that there is none of among them; a machine without a GPU asks for
    none."""
    nulls = ("docker_server", "trt_llm", "vllm", "model_name", "requirements_file", "base_image", "runtime")
    text = "".join(f"{name}: null\n" for name in nulls) + "resources:\n  accelerator: null\n  use_gpu: false\n"
    config = engine_config.read(settings(tmp_path, text))
    assert (config.problems, config.warnings, config.flags) == ((), (), {})
