"""Each argument of scripts' engines through the installed vLLM's parser; no engine is started."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine.vllm import arguments as flags_of_vllm
from handrail_container.engine.vllm.adoption.given import known_arguments
from handrail_container.program.adoption import arguments
from handrail_container.program.config_field import Outcome

pytestmark = [
    pytest.mark.vllm,
    # torch's and transformers' own, while vLLM imports them
    pytest.mark.filterwarnings("ignore"),
]
MODEL = str(Path(__file__).parents[3] / "examples" / "model")


def parsed(given: Mapping[str, Any], *, has_gpu: bool = True) -> Namespace:
    rows = arguments.fields(given, "model.py:7", known_arguments(), has_gpu=has_gpu)
    assert [str(row) for row in rows if row.outcome is Outcome.REFUSED] == []
    flags = {name: text for row in rows for name, text in row.flags.items()}
    return flags_of_vllm.parse(flags.pop("SM_VLLM_MODEL", MODEL), flags)


def torch(name: str) -> Any:
    import torch

    return getattr(torch, name)


class Processor:
    """As a script names its own class."""


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("model", MODEL, MODEL),
        ("gpu_memory_utilization", 0.5, 0.5),
        ("max_model_len", 2048, 2048),
        ("dtype", "float16", "float16"),
        ("dtype", "half", "half"),
        ("trust_remote_code", True, True),
        ("enforce_eager", True, True),
        ("max_num_seqs", 16, 16),
        ("quantization", "awq", "awq"),
        ("enable_prefix_caching", True, True),
        ("enable_prefix_caching", False, False),
        ("enable_chunked_prefill", True, True),
        ("enable_chunked_prefill", False, False),
        ("tokenizer", MODEL, MODEL),
        ("tokenizer_mode", "slow", "slow"),
        ("block_size", 32, 32),
        ("max_num_batched_tokens", 4096, 4096),
        ("hf_overrides", {"a": {"b": 1}}, {"a": {"b": 1}}),
        ("download_dir", "/tmp/weights", "/tmp/weights"),
        ("max_logprobs", 5, 5),
        ("logits_processors", ["a.module:Class"], ["a.module:Class"]),
        ("logits_processors", [Processor], [f"{Processor.__module__}:Processor"]),
        ("async_scheduling", True, True),
        ("async_scheduling", False, False),
        ("revision", "main", "main"),
        ("kv_cache_dtype", "fp8", "fp8"),
        ("skip_tokenizer_init", True, True),
        ("enable_prompt_embeds", True, True),
        ("limit_mm_per_prompt", {"image": 2}, {"image": 2}),
        ("mm_processor_cache_gb", 0, 0),
        ("disable_custom_all_reduce", True, True),
        ("gdn_prefill_backend", "triton", "triton"),
        ("attention_backend", "TRITON_ATTN", "TRITON_ATTN"),
        ("distributed_executor_backend", "mp", "mp"),
        ("load_format", "dummy", "dummy"),
        ("enable_sleep_mode", True, True),
        ("cpu_offload_gb", 1.5, 1.5),
        ("worker_extension_cls", Processor, f"{Processor.__module__}.Processor"),
        ("runner", "pooling", "pooling"),
        ("convert", "embed", "embed"),
        ("served_model_name", ["a", "b"], ["a", "b"]),
        ("cudagraph_capture_sizes", [1, 2], [1, 2]),
        ("seed", 7, 7),
        ("hf_token", True, True),
        ("enable_log_requests", True, True),
        ("use_tqdm_on_load", False, False),
        ("scheduler_cls", "a.module.Class", "a.module.Class"),
        ("generation_config", "vllm", "vllm"),
        ("override_generation_config", {"temperature": 0.1}, {"temperature": 0.1}),
    ],
)
def test_an_argument_is_read_as_it_was_given(name: str, value: Any, read: Any) -> None:
    assert getattr(parsed({name: value}), name) == read


@pytest.mark.parametrize("size", ["tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"])
def test_sizes_are_flags(size: str) -> None:
    """The machine is checked after them, and it may have too few devices."""
    (row,) = arguments.fields({size: 2}, "", known_arguments(), has_gpu=True)
    assert row.flags == {f"SM_VLLM_{size.upper()}": "2"}


def test_adapters_are_flags() -> None:
    args = parsed({"enable_lora": True, "max_loras": 2, "max_lora_rank": 32, "max_cpu_loras": 4})
    assert (args.enable_lora, args.max_lora_rank) == (True, 32)
    assert args.max_loras >= 2
    assert args.max_cpu_loras >= 4


def test_a_torch_dtype_is_a_name() -> None:
    assert parsed({"dtype": torch("bfloat16")}).dtype == "bfloat16"


def test_a_torch_device_is_the_builds() -> None:
    (row,) = arguments.fields({"device": torch("device")("cuda:0")}, "", known_arguments(), has_gpu=True)
    assert (row.outcome, row.flags) == (Outcome.IGNORED, {})


def test_configuration_objects_are_json() -> None:
    from vllm.config import CompilationConfig, PoolerConfig, StructuredOutputsConfig

    args = parsed(
        {
            "compilation_config": CompilationConfig(mode=0),
            "structured_outputs_config": StructuredOutputsConfig(backend="xgrammar"),
            "pooler_config": PoolerConfig(pooling_type="MEAN"),
        }
    )
    assert args.compilation_config.mode == 0
    assert args.structured_outputs_config.backend == "xgrammar"
    assert args.pooler_config.pooling_type == "MEAN"


def test_what_is_gone_is_read_by_its_new_name() -> None:
    args = parsed(
        {
            **{"task": "embed", "guided_decoding_backend": "outlines", "swap_space": 8, "device": "cuda"},
            **{"speculative_model": "[ngram]", "num_speculative_tokens": 5, "ngram_prompt_lookup_max": 4},
            **{"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 10000.0, "eplb_window_size": 10},
            **{"override_pooler_config": {"pooling_type": "MEAN"}, "disable_mm_preprocessor_cache": True},
        }
    )
    assert (args.runner, args.convert, args.structured_outputs_config.backend) == ("pooling", "embed", "outlines")
    assert args.speculative_config == {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}
    assert args.hf_overrides == {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}}
    assert (args.pooler_config.pooling_type, args.mm_processor_cache_gb, args.eplb_config.window_size) == (
        "MEAN",
        0,
        10,
    )


def test_a_script_of_gpus_starts_on_a_cpu() -> None:
    given = {
        **{"dtype": "half", "quantization": "awq", "tensor_parallel_size": 4, "gpu_memory_utilization": 0.95},
        **{"max_model_len": 256, "enforce_eager": False, "swap_space": 4, "kv_cache_dtype": "auto"},
    }
    args = parsed(given, has_gpu=False)
    assert (args.dtype, args.quantization, args.tensor_parallel_size, args.enforce_eager) == ("float32", None, 1, True)
    assert (args.max_model_len, args.gpu_memory_utilization) == (256, 0.92)


def test_defaults_are_not_given() -> None:
    """All of them: none becomes a flag, and none is refused."""
    rows = arguments.fields(known_arguments(), "", known_arguments(), has_gpu=False)
    assert [str(row) for row in rows if row.outcome is not Outcome.IGNORED and row.name != "model"] == []


def test_every_field_without_a_flag_is_known() -> None:
    parser = flags_of_vllm._parser()
    options = {action.dest for action in parser._actions}
    without = {name for name in known_arguments() if name not in options}
    assert without == {*arguments._FLAGLESS, *arguments._OF_PARTS}


def test_every_switch_can_be_switched_off() -> None:
    """A false value of an argument that may be on becomes a flag that there is."""
    parser = flags_of_vllm._parser()
    switches = [action for action in parser._actions if action.nargs == 0 and action.dest in known_arguments()]
    for switch in switches:
        (row,) = arguments.fields({switch.dest: False}, "", known_arguments(), has_gpu=True)
        options = {f"--{flag.removeprefix('SM_VLLM_').lower().replace('_', '-')}" for flag in row.flags}
        assert options <= set(switch.option_strings), switch.dest
