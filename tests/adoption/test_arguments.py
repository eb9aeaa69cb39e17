"""The arguments of a script's engine as flags of the server's."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any

import pytest
from handrail_container.program.adoption import arguments
from handrail_container.program.adoption.old_names import ARGUMENTS
from handrail_container.program.config_field import Outcome

from tests.adoption.rows import KNOWN, WHERE, flags, row, rows

MAPPED, USED, IGNORED, REFUSED = Outcome.MAPPED, Outcome.USED, Outcome.IGNORED, Outcome.REFUSED


class Kind(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 3


class Backend(enum.Enum):
    SOME = "a.module.Class"


@dataclasses.dataclass
class Config:
    backend: str = "auto"
    sizes: set[int] = dataclasses.field(default_factory=set)
    level: Level | None = None
    seen: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass
class Wanting:
    method: str


@dataclasses.dataclass
class Computing:
    """Its second field is the first, and may not be given beside it."""

    kind: str | None = None
    same: str | None = None

    def __post_init__(self) -> None:
        if self.kind and self.same:
            raise ValueError("one of them")
        self.same = self.same or self.kind


class Processor:
    pass


class DType:
    __module__ = "torch"

    def __str__(self) -> str:
        return "torch.bfloat16"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("model", "an/id", "an/id"),
        ("model", "a/default", "a/default"),
        ("max_model_len", 2048, "2048"),
        ("gpu_memory_utilization", 0.5, "0.5"),
        ("enforce_eager", True, "true"),
        ("hf_token", True, "true"),
        ("dtype", DType(), "bfloat16"),
        ("dtype", Kind.FAST, "fast"),
        ("dtype", Backend.SOME, "SOME"),
        ("model", Path("/a/b"), "/a/b"),
        ("hf_overrides", {"a": {"b": (1, 2)}}, '{"a": {"b": [1, 2]}}'),
        ("structured_outputs_config", Config("xgrammar", {2, 1}, Level.HIGH), None),
        ("structured_outputs_config", Wanting("ngram"), '{"method": "ngram"}'),
        ("structured_outputs_config", Computing("a"), '{"kind": "a"}'),
        ("structured_outputs_config", {}, "{}"),
        ("served_model_name", ["a", "b"], '["a", "b"]'),
        ("device_ids", [0, 1], "0,1"),
        ("cpu_offload_params", {"b", "a"}, '["a", "b"]'),
        ("limit_mm_per_prompt", {"image": 2}, '{"image": 2}'),
        ("limit_mm_per_prompt", "image=2, video=1", '{"image": 2, "video": 1}'),
        ("limit_mm_per_prompt", '{"image": 2}', '{"image": 2}'),
        ("limit_mm_per_prompt", "image", "image"),
        ("logits_processors", [Processor], f'["{Processor.__module__}:Processor"]'),
        ("logits_processors", ["a.b:C"], '["a.b:C"]'),
        ("worker_extension_cls", Processor, f"{Processor.__module__}.Processor"),
    ],
)
def test_a_value_becomes_the_flags_text(name: str, value: Any, text: str | None) -> None:
    if text is None:
        text = '{"backend": "xgrammar", "sizes": [1, 2], "level": 3}'
    found = row(name, value)
    assert (found.outcome, found.flags) == (MAPPED, {f"SM_VLLM_{name.upper()}": text})
    assert found.where == WHERE


def test_the_note_shows_the_flag_and_no_secret() -> None:
    assert row("max_model_len", 8).note == "SM_VLLM_MAX_MODEL_LEN=8"
    assert row("hf_token", "hf_abcdef").note == "SM_VLLM_HF_TOKEN=***"
    assert row("model", "a\nb" * 100).note.endswith("…")


@pytest.mark.parametrize(
    ("name", "value"),
    [("dtype", "auto"), ("tensor_parallel_size", 1), ("enforce_eager", False), ("max_model_len", None), ("seed", 0)],
)
def test_a_default_is_not_given(name: str, value: Any) -> None:
    found = row(name, value)
    assert (found.outcome, found.note, found.flags) == (IGNORED, "vLLM's own default", {})


def test_false_switches_off_what_vllm_may_have_on() -> None:
    assert flags({"enable_prefix_caching": False}) == {"SM_VLLM_NO_ENABLE_PREFIX_CACHING": "true"}
    assert flags({"hf_token": False}) == {}


def test_without_defaults_false_is_one() -> None:
    names = list(KNOWN)
    assert flags({"enforce_eager": False, "hf_token": False}, known=names) == {}
    assert flags({"enable_prefix_caching": False}, known=names) == {"SM_VLLM_NO_ENABLE_PREFIX_CACHING": "true"}
    assert flags({"dtype": "auto"}, known=names) == {"SM_VLLM_DTYPE": "auto"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("quantization", "awq"), ("dtype", "half"), ("dtype", "float16"), ("dtype", DType())],
        *[("tensor_parallel_size", 2), ("gpu_memory_utilization", 0.9), ("kv_cache_dtype", "fp8_e4m3")],
        *[("load_format", "bitsandbytes"), ("device", "cuda"), ("device", "cuda:1")],
        *[("device_ids", [0])],
    ],
)
def test_what_needs_a_gpu_is_left_out_where_there_is_none(name: str, value: Any) -> None:
    found = row(name, value, has_gpu=False)
    assert (found.outcome, found.note, found.flags) == (IGNORED, "there is no GPU for it", {})
    assert found.needs_gpu
    assert found.is_warned
    assert not row(name, value, has_gpu=True).needs_gpu


@pytest.mark.parametrize(("name", "value"), [("dtype", "float32"), ("kv_cache_dtype", "bfloat16"), ("max_loras", 2)])
def test_the_rest_is_kept_there(name: str, value: Any) -> None:
    assert row(name, value, has_gpu=False).outcome is MAPPED


def test_the_operator_leaves_arguments_out() -> None:
    found = rows({"max_model_len": 9, "swap_space": 8}, dropped={"max_model_len", "swap_space"})
    assert {one.note for one in found.values()} == {"HANDRAIL_ADOPT_DROP leaves it out"}


def test_the_template_is_the_objects() -> None:
    assert row("chat_template", "{{ x }}").outcome is USED


def test_unknown_names_are_said() -> None:
    given = {"model": "m", "use_gpu": True, "swap_space": 4, "chat_template": "", "max_batch_size": 2}
    assert arguments.unknown(given, KNOWN) == ["use_gpu", "max_batch_size"]
    assert str(row("use_gpu", True)) == "model.py:7 use_gpu: no argument of vLLM, and none that it had. Remove it"


def test_a_name_that_came_back_is_vllms() -> None:
    assert flags({"swap_space": 8}, known={**KNOWN, "swap_space": 4}) == {"SM_VLLM_SWAP_SPACE": "8"}


def local_class() -> type:
    class Local:
        pass

    return Local


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hf_overrides", lambda config: config, "it is a function, which the engine's own process cannot call"),
        ("hf_overrides", {"a": object()}, "its value cannot be written as JSON"),
        ("logits_processors", [local_class()], "define it at the top of a module beside the script"),
        ("worker_extension_cls", type("Main", (), {"__module__": "__main__"}), "Main is imported by vLLM's engine"),
    ],
)
def test_what_no_flag_can_say_is_refused(name: str, value: Any, said: str) -> None:
    found = row(name, value)
    assert (found.outcome, found.flags) == (REFUSED, {})
    assert said in found.note


def test_fields_without_a_flag_are_left_out() -> None:
    assert row("model_weights", "s3://b/w").note == "vLLM sets it itself"
    assert row("mamba_config", {}, known=["mamba_config"]).outcome is REFUSED


def test_every_gone_argument_has_a_row() -> None:
    """Its old default is never refused, and nonsense is no exception."""
    for name, gone in ARGUMENTS.items():
        assert row(name, gone.default).outcome is IGNORED, name
        assert row(name, "nonsense").note, name


def test_the_servers_metrics_stay() -> None:
    (row,) = arguments.fields({"disable_log_stats": True}, "model.py:3", ["disable_log_stats"], has_gpu=True)
    assert (row.outcome, row.note) == (Outcome.IGNORED, "the server's /metrics has vLLM's numbers")
