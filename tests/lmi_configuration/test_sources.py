"""The file, the environment, and which of them comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail_container.program.config_field import Field, Outcome
from handrail_container.program.gpus import count
from handrail_container.program.lmi import config, options
from handrail_container.program.lmi.config import LmiConfig
from hypothesis import example, given
from hypothesis import strategies as some


def read(folder: Path, text: str | None = None, *, gpus: int = 0, **environment: str) -> LmiConfig:
    if text is not None:
        (folder / "serving.properties").write_text(text)
    return config.read(folder, environment, gpus)


def notes(found: LmiConfig) -> dict[str, str]:
    return {row.name: f"{row.outcome}: {row.note}" for row in found.fields}


def test_nothing_is_set(tmp_path: Path) -> None:
    found = read(tmp_path, PATH="/bin", OPTION_DTYPE="", MAX_BATCH_SIZE="8")
    assert found == LmiConfig()
    assert found.sentence is None


def test_the_file_comes_before_the_environment(tmp_path: Path) -> None:
    """As in LMI; and OPTION_* before a variable that stands for it."""
    found = read(
        tmp_path,
        "option.dtype=fp16",
        OPTION_DTYPE="bf16",
        OPTION_TENSOR_PARALLEL_DEGREE="2",
        TENSOR_PARALLEL_DEGREE="4",
        SM_NUM_GPUS="8",
    )
    assert found.flags == {"SM_VLLM_DTYPE": "float16", "SM_VLLM_TENSOR_PARALLEL_SIZE": "2"}
    assert notes(found) == {
        "option.dtype": "mapped: SM_VLLM_DTYPE=float16",
        "OPTION_DTYPE": f"ignored: {tmp_path}/serving.properties:1 option.dtype comes first",
        "OPTION_TENSOR_PARALLEL_DEGREE": "mapped: SM_VLLM_TENSOR_PARALLEL_SIZE=2",
        "TENSOR_PARALLEL_DEGREE": "ignored: OPTION_TENSOR_PARALLEL_DEGREE comes first",
        "SM_NUM_GPUS": "ignored: OPTION_TENSOR_PARALLEL_DEGREE comes first",
    }


def test_names_that_other_programs_have_are_read_beside_lmi_s_only(tmp_path: Path) -> None:
    assert read(tmp_path, MAX_BATCH_SIZE="8", HF_MODEL_ID="org/name").fields == ()
    assert read(tmp_path, MAX_BATCH_SIZE="8", TENSOR_PARALLEL_DEGREE="1").flags["SM_VLLM_MAX_NUM_SEQS"] == "8"
    assert read(tmp_path, "engine=Python", MAX_BATCH_SIZE="8").flags == {"SM_VLLM_MAX_NUM_SEQS": "8"}


def test_two_keys_that_differ_are_refused(tmp_path: Path) -> None:
    text = "option.tensor_parallel_degree=2\noption.tensor_parallel_size=4\noption.tensor-parallel-size=2"
    found = read(tmp_path, text, OPTION_TENSOR_PARALLEL_SIZE="8")
    file = tmp_path / "serving.properties"
    first = f"{file}:1 option.tensor_parallel_degree"
    assert notes(found) == {
        "option.tensor_parallel_degree": "mapped: SM_VLLM_TENSOR_PARALLEL_SIZE=2",
        "option.tensor_parallel_size": f"refused: '4' is not what {first} says, 2: keep one",
        "option.tensor-parallel-size": f"ignored: {first} comes first",
        "OPTION_TENSOR_PARALLEL_SIZE": f"ignored: {file}:2 option.tensor_parallel_size comes first",
    }


def test_a_variable_yields_to_the_option_that_it_stands_for(tmp_path: Path) -> None:
    found = read(tmp_path, OPTION_TENSOR_PARALLEL_SIZE="2", SM_NUM_GPUS="8")
    assert notes(found)["SM_NUM_GPUS"] == "ignored: OPTION_TENSOR_PARALLEL_SIZE comes first"


@pytest.mark.parametrize("value", ["/opt/ml/model/llama", "llama", "./llama/"])
def test_a_model_may_be_below_the_model_directory(tmp_path: Path, value: str) -> None:
    (tmp_path / "llama").mkdir()
    assert read(tmp_path, f"option.model_id={value}").flags == {"SM_VLLM_MODEL": str(tmp_path / "llama")}
    found = read(tmp_path, f"option.speculative_draft_model={value}").flags["SM_VLLM_SPECULATIVE_CONFIG"]
    assert f'"model": "{tmp_path}/llama"' in found


def test_the_model_directory_is_known_by_its_path_in_the_container(tmp_path: Path) -> None:
    assert read(tmp_path, "option.model_id=/opt/ml/model").flags == {"SM_VLLM_MODEL": str(tmp_path)}


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    assert notes(read(tmp_path, "option.model_id=")) == {"option.model_id": "ignored: it has no value"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"option.dtype=fp16\noption.dtype=bf16", ":2 option.dtype is in line 1 too: keep one"),
        (rb"option.model_id=C:\users", r":1 has \u without four hexadecimal digits"),
        (b"option.model_id=\xff\xfe", " cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "serving.properties").write_bytes(content)
    found = read(tmp_path, OPTION_DTYPE="fp16")
    assert found.fields == ()
    assert f"{tmp_path}/serving.properties{problem}" in str(found.problem)


def test_a_file_that_the_system_does_not_give_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "serving.properties").symlink_to("/proc/self/mem")
    assert "serving.properties cannot be read: [Errno 5]" in str(read(tmp_path).problem)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (
            "option.speculative_draft_model=d\noption.speculative_length=3\noption.draft_model_tp_size=2",
            '{"model": "d", "num_speculative_tokens": 3, "draft_tensor_parallel_size": 2}',
        ),
        ("option.speculative_draft_model=d\noption.speculative_config={}", "{}"),
    ],
)
def test_what_is_about_drafts_is_one_flag(tmp_path: Path, text: str, flag: str) -> None:
    found = read(tmp_path, text)
    assert found.flags == {"SM_VLLM_SPECULATIVE_CONFIG": flag}
    assert {row.outcome for row in found.fields} <= {"mapped", "used", "ignored"}


def test_a_number_of_drafts_is_one(tmp_path: Path) -> None:
    found = read(tmp_path, "option.speculative_draft_model=d\noption.speculative_length=few")
    assert "'few' is no number of drafted tokens" in found.fields[0].note


def test_a_template_may_be_relative_to_the_model_directory(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{{ messages }}")
    assert read(tmp_path, "option.chat_template=chat.jinja").flags == {
        "SM_VLLM_CHAT_TEMPLATE": str(tmp_path / "chat.jinja")
    }
    long = "{{ messages }}" * 1000
    assert read(tmp_path, f"option.chat_template={long}").flags == {"SM_VLLM_CHAT_TEMPLATE": long}


@pytest.mark.parametrize(("folder", "text"), [("adapters", ""), ("mine", "\noption.adapters=mine")])
def test_adapters_of_a_directory_are_loaded(tmp_path: Path, folder: str, text: str) -> None:
    for name in ("one", "two"):
        (tmp_path / folder / name).mkdir(parents=True)
    (tmp_path / folder / "one/adapter_config.json").touch()
    found = read(tmp_path, f"option.enable_lora=true{text}")
    module = f'{{"name": "one", "path": "{tmp_path}/{folder}/one"}}'
    assert found.flags == {"SM_VLLM_ENABLE_LORA": "true", "SM_VLLM_LORA_MODULES": module}
    assert {row.outcome for row in found.fields} <= {"mapped", "used"}
    named = read(tmp_path, f"option.enable_lora=true\noption.lora_modules=a=/b{text}")
    assert named.flags == {"SM_VLLM_ENABLE_LORA": "true", "SM_VLLM_LORA_MODULES": "a=/b"}
    assert read(tmp_path, "option.enable_lora=false").flags == {"SM_VLLM_ENABLE_LORA": "false"}


def test_a_directory_without_adapters_is_a_warning(tmp_path: Path) -> None:
    row = read(tmp_path, "option.enable_lora=true\noption.adapters=none").fields[1]
    assert (row.is_warned, row.note) == (True, "there is no adapter (*/adapter_config.json) in that directory")


def test_the_script_may_have_another_name(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "option.entryPoint=handle.py", CUSTOM_SCRIPT_FILENAME="handle.py").fields
    assert (row.outcome, row.note) == ("used", "the script")


def test_all_gpus_are_those_of_this_machine(tmp_path: Path) -> None:
    found = read(tmp_path, "option.tensor_parallel_degree=max", gpus=8)
    assert found.flags == {"SM_VLLM_TENSOR_PARALLEL_SIZE": "8"}


def test_gpus_that_lmi_would_use_are_a_warning(tmp_path: Path) -> None:
    assert "LMI would use all 8 GPUs" in str(read(tmp_path, "engine=Python", gpus=8).idle_gpus)
    assert read(tmp_path, "engine=Python", gpus=1).idle_gpus is None
    assert read(tmp_path, "", gpus=8).idle_gpus is None


def test_gpus_are_counted_without_opening_them(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    counted: dict[str, Any] = {"": 0, "0": 1, "0,1": 2, "-1": 0, "0,1,2": 2}
    assert count({}, tmp_path) == 2
    assert {names: count({"CUDA_VISIBLE_DEVICES": names}, tmp_path) for names in counted} == counted


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("option.max_rolling_batch_sise", "option.max_rolling_batch_size"),
        ("OPTION_TENSOR_PARALLEL_DEGRE", "OPTION_TENSOR_PARALLEL_DEGREE"),
        ("quantise", "quantize"),
        ("option.custom", None),
    ],
)
def test_the_nearest_option_is_written_as_the_field_is(name: str, near: str | None) -> None:
    assert config.nearest(name) == near


def test_a_name_that_is_nearly_an_option_is_told_before_vllm_is_asked() -> None:
    """Which the echo engine never is. A flag of vLLM's is passed on as it is."""
    near, flag = config.read(Path("/nowhere"), {"OPTION_MAX_ROLLING_BATCH_SISE": "3", "OPTION_SEED": "1"}, 0).fields
    assert (near.outcome, near.is_warned) == (Outcome.MAPPED, True)
    assert near.note.endswith("did you mean option.max_rolling_batch_size?")
    assert (flag.note, flag.is_warned) == ("SM_VLLM_SEED=1", False)


@example([("option.entryPoint", "\n")], 0)
@given(
    some.lists(some.tuples(some.sampled_from([f"option.{name}" for name in options.RULES]), some.text()), max_size=4),
    some.integers(0, 2),
)
def test_any_value_is_ruled_on(pairs: list[tuple[str, str]], gpus: int) -> None:
    environment = {f"OPTION_{name.removeprefix('option.').upper()}": value for name, value in pairs}
    for row in config.read(Path("/nowhere"), environment, gpus).fields:
        assert row.note
        assert "\n" not in row.note


def test_a_long_value_is_shown_by_its_beginning(tmp_path: Path) -> None:
    found = read(tmp_path, OPTION_CHAT_TEMPLATE="{{ a }}\n" * 100, OPTION_DTYPE="x" * 1000)
    assert [len(row.note) < 320 for row in found.fields] == [True, True]
    assert found.flags["SM_VLLM_CHAT_TEMPLATE"] == "{{ a }}\n" * 100
    number = read(tmp_path, OPTION_MAX_ROLLING_BATCH_SIZE="9" * 5000)
    assert number.fields[0].outcome == "refused"


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    (row,) = read(tmp_path, OPTION_API_KEY="sesame").fields
    assert row == Field("OPTION_API_KEY", "", row.outcome, "SM_VLLM_API_KEY=***", {"SM_VLLM_API_KEY": "sesame"})
