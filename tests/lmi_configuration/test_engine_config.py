"""LMI's configuration beside our own variables and a Truss's `config.yaml`; how a refused flag is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine import opening
from handrail_container.engine.opening import fields_named, open_backend
from handrail_container.engine.vllm.opening import open_vllm
from handrail_container.process.exits import SettingsError
from handrail_container.program import engine_config
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

FILE = "serving.properties"


def settings(folder: Path, text: str, **given: Any) -> Settings:
    (folder / FILE).write_text(text)
    return Settings(**{"SAGEMAKER_MODEL_PATH": folder, "HANDRAIL_ENGINE": "echo", **given})


def ours(**flags: str) -> dict[str, dict[str, str]]:
    return {"SM_VLLM_<FLAG>": {f"SM_VLLM_{name}": value for name, value in flags.items()}}


def test_our_own_variables_come_first(tmp_path: Path) -> None:
    found = engine_config.read(settings(tmp_path, "option.dtype=fp16\noption.seed=1", **ours(DTYPE="half")))
    assert found.flags == {"SM_VLLM_DTYPE": "half", "SM_VLLM_SEED": "1"}
    assert [f"{row.name} {row.outcome}: {row.note}" for row in found.lmi.fields] == [
        "option.dtype ignored: SM_VLLM_DTYPE comes first",
        "option.seed mapped: SM_VLLM_SEED=1",
    ]
    assert found.warnings == ()


def test_a_switch_yields_to_its_opposite(tmp_path: Path) -> None:
    """Of a Truss too: vLLM obeys the last of two."""
    text = "option.enable_prefix_caching=false"
    found = engine_config.read(settings(tmp_path, text, **ours(ENABLE_PREFIX_CACHING="true")))
    assert found.flags == {"SM_VLLM_ENABLE_PREFIX_CACHING": "true"}
    assert found.lmi.fields[0].note == "SM_VLLM_ENABLE_PREFIX_CACHING comes first"
    (tmp_path / "config.yaml").write_text("trt_llm: {runtime: {enable_chunked_context: true}}\n")
    text = "option.enable_chunked_prefill=false"
    assert engine_config.read(settings(tmp_path, text)).flags == {"SM_VLLM_ENABLE_CHUNKED_PREFILL": "true"}
    off = engine_config.read(settings(tmp_path, text, **ours(NO_ENABLE_CHUNKED_PREFILL="true")))
    assert off.flags == {"SM_VLLM_NO_ENABLE_CHUNKED_PREFILL": "true"}


def test_a_truss_s_file_comes_before_lmi_s(tmp_path: Path) -> None:
    """And the log warns of two."""
    (tmp_path / "config.yaml").write_text("vllm: {model: org/truss, dtype: half}\n")
    given = settings(tmp_path, "option.model_id=org/lmi\noption.dtype=fp16\noption.seed=1", **ours(SEED="2"))
    found = engine_config.read(given)
    assert found.model == "org/truss"
    assert found.flags == {"SM_VLLM_DTYPE": "half", "SM_VLLM_SEED": "2"}
    assert [row.note for row in found.lmi.fields] == [
        *[f"{tmp_path}/config.yaml comes first"] * 2,
        "SM_VLLM_SEED comes first",
    ]
    assert found.warnings == (
        "config.yaml and serving.properties both configure the engine: where they differ, config.yaml comes first",
    )


def test_without_an_engine_nothing_of_it_is_read(tmp_path: Path) -> None:
    given = settings(tmp_path, "option.rolling_batch=trtllm", HANDRAIL_ENGINE="none")
    assert engine_config.read(given) == engine_config.EngineConfig(flags={})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("engine=Rust", ":1 engine: 'Rust' asks for another engine than vLLM"),
        ("option.dtype=int3", ":1 option.dtype: 'int3' is no type: write one of fp16"),
        ("max_model_len=1", ":1 max_model_len: 'max_model_len' is no key of DJL Serving's: write option.max_model_len"),
        ("a=\\u", r":1 has \u without"),
    ],
)
def test_what_is_refused_stops_the_start(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        open_backend(settings(tmp_path, text), None)
    (told,) = refused.value.problems
    assert told.startswith(f"{tmp_path}/{FILE}{problem}")


def test_what_serves_in_place_of_another_engine_is_a_warning(tmp_path: Path) -> None:
    (warning,) = engine_config.read(settings(tmp_path, "option.rolling_batch=lmi-dist")).warnings
    assert warning == f"{tmp_path}/{FILE}:1 option.rolling_batch: LMI has no lmi-dist any more: vLLM serves"


def test_gpus_that_lie_idle_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On vLLM, and where no flag says how many are used."""
    monkeypatch.setattr(engine_config.gpus, "count", lambda environment: 4)
    given = settings(tmp_path, "option.dtype=fp16", HANDRAIL_ENGINE="vllm")
    (warning,) = engine_config.read(given).warnings
    assert "LMI would use all 4 GPUs" in warning
    assert engine_config.read(settings(tmp_path, "option.dtype=fp16")).warnings == ()
    for text, flags in (("option.data_parallel_size=4", {}), ("option.dtype=fp16", ours(TENSOR_PARALLEL_SIZE="1"))):
        assert engine_config.read(settings(tmp_path, text, HANDRAIL_ENGINE="vllm", **flags)).warnings == ()


def test_a_secret_among_the_options_is_hidden(tmp_path: Path) -> None:
    given = settings(tmp_path, "option.hf_token=sesame")
    assert engine_config.read(given).lmi.fields[0].note == "SM_VLLM_HF_TOKEN=***"
    assert given.redactor("open sesame") == "open ***"


def test_a_refused_flag_is_named_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what an engine says of `SM_VLLM_*`; with LMI's nearest name if the engine has no such flag."""
    (tmp_path / "config.yaml").write_text("vllm:\n  max_lora: 1\n")
    monkeypatch.setenv("OPTION_QUANTISE", "awq")
    given = settings(tmp_path, "option.dtyp=a\noption.seed=b", **ours(OWN="1"))
    with pytest.raises(SettingsError) as refused, fields_named(given):
        raise SettingsError(
            "SM_VLLM_DTYP is not a flag of vLLM",
            "SM_VLLM_QUANTISE is not a flag of vLLM",
            "SM_VLLM_MAX_LORA is not a flag of vLLM",
            "SM_VLLM_SEED='b' with SM_VLLM_OWN='1' is refused by vLLM",
            "SM_VLLM_SEED_TWO is another",
        )
    assert refused.value.problems == (
        f"{tmp_path}/{FILE}:1 option.dtyp (SM_VLLM_DTYP) is not a flag of vLLM (LMI has option.dtype)",
        "OPTION_QUANTISE (SM_VLLM_QUANTISE) is not a flag of vLLM (LMI has OPTION_QUANTIZE)",
        f"{tmp_path}/config.yaml:2 vllm.max_lora (SM_VLLM_MAX_LORA) is not a flag of vLLM",
        f"{tmp_path}/{FILE}:2 option.seed (SM_VLLM_SEED)='b' with SM_VLLM_OWN='1' is refused by vLLM",
        "SM_VLLM_SEED_TWO is another",
    )


def test_lmi_s_model_comes_before_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does in LMI; and SM_VLLM_MODEL before that."""
    opened: list[opening.Opening] = []
    monkeypatch.setattr(opening, "engine_opener", lambda settings: opened.append)
    open_backend(settings(weights, "option.model_id=org/lmi"), None)
    open_backend(settings(weights, "option.model_id=org/lmi", **ours(MODEL="org/ours")), None)
    open_backend(settings(weights, ""), None)
    assert [open_vllm(one)._model for one in opened] == ["org/lmi", "org/ours", str(weights)]


def test_another_process_of_the_same_server_is_configured_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica and an endpoint get LMI's variables; the rehearsal of an endpoint gets that one's only."""
    for name in ("OPTION_DTYPE", "SERVING_FEATURES", "TENSOR_PARALLEL_DEGREE", "UNRELATED"):
        monkeypatch.setenv(name, "1")
    given = {"OPTION_DTYPE", "SERVING_FEATURES", "TENSOR_PARALLEL_DEGREE"}
    assert given <= environment.variables_for_replica(environment.read(model_path=tmp_path)).keys()
    assert environment.variables_for_endpoint().keys() == given
    assert {"UNRELATED"} == environment.environment_for({}).keys() & {*given, "UNRELATED"}
