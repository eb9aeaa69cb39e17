from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from handrail.core.slots import Slot
from handrail_container.process.exits import ExitCode, SettingsError
from handrail_container.settings.environment import read
from handrail_container.settings.fields import Settings, variables


def problems(**given: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        read(**given)
    return refused.value.problems


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """The defaults of DESIGN's settings, and nothing set that need not be."""
    settings = read()
    assert settings.model_path == Path("/opt/ml/model")
    assert (settings.port, settings.engine, settings.log_level) == (8080, "vllm", "INFO")
    assert (settings.max_body_mb, settings.drain_s) == (25, 25)
    assert (settings.error_detail, settings.access_log) == ("full", "errors")
    assert (settings.script_filename, settings.hf_model_id, settings.hf_token) == (None, None, None)
    assert settings.references == {}
    assert settings.vllm == {}


@pytest.mark.parametrize(
    ("name", "value", "field", "parsed"),
    [
        ("SAGEMAKER_MODEL_PATH", "/srv/m", "model_path", Path("/srv/m")),
        ("CUSTOM_SCRIPT_FILENAME", "handlers.py", "script_filename", "handlers.py"),
        ("SAGEMAKER_BIND_TO_PORT", "9000", "port", 9000),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "20", "log_level", "INFO"),
        ("LOG_LEVEL", "warn", "log_level", "WARNING"),
        ("HANDRAIL_ENGINE", "none", "engine", "none"),
        ("HF_MODEL_ID", "org/name", "hf_model_id", "org/name"),
        ("HANDRAIL_ERROR_DETAIL", "none", "error_detail", "none"),
        ("HANDRAIL_ACCESS_LOG", "all", "access_log", "all"),
        ("HANDRAIL_MAX_BODY_MB", "0.5", "max_body_mb", 0.5),
        ("HANDRAIL_DRAIN_S", "0", "drain_s", 0),
        ("HANDRAIL_ECHO_LOAD_S", "1.5", "echo_load_s", 1.5),
        ("HANDRAIL_ECHO_TTFT_MS", "20", "echo_ttft_ms", 20),
        ("HANDRAIL_ECHO_ITL_MS", "5", "echo_itl_ms", 5),
        ("SM_VLLM_MAX_MODEL_LEN", "512", "vllm", {"SM_VLLM_MAX_MODEL_LEN": "512"}),
    ],
)
def test_a_variable_is_read_into_its_field(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, parsed: object
) -> None:
    """Each variable has one field; log levels are taken as Python's logging takes them."""
    monkeypatch.setenv(name, value)
    assert getattr(read(), field) == parsed


@pytest.mark.parametrize("name", [*(n for n in variables() if "<" not in n), "SM_VLLM_MODEL", "HANDRAIL_NO_SUCH"])
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Templates leave variables empty where nobody filled them in."""
    monkeypatch.setenv(name, "")
    assert read() == Settings()


def test_the_platform_s_log_level_comes_before_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """SAGEMAKER_CONTAINER_LOG_LEVEL, then LOG_LEVEL."""
    monkeypatch.setenv("SAGEMAKER_CONTAINER_LOG_LEVEL", "ERROR")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert read().log_level == "ERROR"


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given by field name wins; None was not given."""
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9000")
    monkeypatch.setenv("HANDRAIL_ENGINE", "echo")
    settings = read(port=9001, engine=None)
    assert (settings.port, settings.engine) == (9001, "echo")


def test_references_are_gathered_by_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that are set."""
    monkeypatch.setenv("CUSTOM_FASTAPI_PING_HANDLER", "model:health")
    assert read().references == {Slot.PING: "model:health"}


def test_a_token_is_masked_wherever_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN must not reach a log."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_other")
    settings = read()
    assert settings.hf_token is not None
    assert settings.hf_token.get_secret_value() == "hf_secret"
    assert [secret for secret in ("hf_secret", "hf_other") if secret in repr(settings)] == []


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "eighty", "integer"),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "65535"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "15", "'DEBUG'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("HANDRAIL_ERROR_DETAIL", "some", "'full' or 'none'"),
        ("HANDRAIL_ACCESS_LOG", "yes", "'errors', 'all' or 'off'"),
        ("HANDRAIL_MAX_BODY_MB", "0", "greater than 0"),
        ("HANDRAIL_MAX_BODY_MB", "nan", "greater than 0"),
        ("HANDRAIL_DRAIN_S", "-1", "greater than or equal to 0"),
        ("CUSTOM_FASTAPI_PING_HANDLER", "model.py", "model:function"),
        ("CUSTOM_FASTAPI_INVOCATION_HANDLER", "a:b:c", "model:function"),
        ("CUSTOM_FASTAPI_INVOCATION_HANDLER", "model:", "model:function"),
    ],
)
def test_a_bad_value_is_named_quoted_and_told_what_it_must_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, cure: str
) -> None:
    """One sentence says which setting, what it has, and what to write instead."""
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert problem.startswith(name)
    assert value in problem
    assert cure in problem


def test_a_bad_value_of_the_command_line_is_quoted() -> None:
    """`--port 65536`."""
    (problem,) = problems(port=65536)
    assert problem.startswith("SAGEMAKER_BIND_TO_PORT is 65536")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HANDRAIL_ENGIN", "Did you mean HANDRAIL_ENGINE?"),
        ("CUSTOM_FASTAPI_PING_HANDLERS", "Did you mean CUSTOM_FASTAPI_PING_HANDLER?"),
        ("CUSTOM_FASTAPI_INVOCATIONS_HANDLER", "Did you mean CUSTOM_FASTAPI_INVOCATION_HANDLER?"),
        ("HANDRAIL_" + 40 * "Q", "is not a setting of Handrail."),
    ],
)
def test_a_misspelt_name_is_an_error_with_the_nearest(monkeypatch: pytest.MonkeyPatch, name: str, hint: str) -> None:
    """A setting that has no effect is never ignored."""
    monkeypatch.setenv(name, "x")
    (problem,) = problems()
    assert problem.startswith(name)
    assert problem.endswith(hint)


@pytest.mark.parametrize("name", ["HANDRAIL_SERVICE_HOST", "HANDRAIL_PORT", "HANDRAIL_PORT_8080_TCP_ADDR"])
def test_what_kubernetes_injects_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A service called `handrail` puts these into every pod."""
    monkeypatch.setenv(name, "10.0.0.1")
    assert read() == Settings()


def test_every_problem_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the settings without the wrong ones are there, to check the script with."""
    monkeypatch.setenv("HANDRAIL_DRAIN_S", "-1")
    monkeypatch.setenv("HANDRAIL_DRAIN", "1")
    monkeypatch.setenv("CUSTOM_FASTAPI_PING_HANDLER", "nonsense")
    monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", "mine.py")
    with pytest.raises(SettingsError) as refused:
        read()
    error = refused.value
    assert [problem.split()[0] for problem in error.problems] == [
        "HANDRAIL_DRAIN",
        "CUSTOM_FASTAPI_PING_HANDLER",
        "HANDRAIL_DRAIN_S",
    ]
    assert error.exit_code is ExitCode.SETTINGS
    assert (error.usable.engine, error.usable.drain_s, error.usable.references) == ("vllm", 25, {})
    assert error.usable.script_filename == "mine.py"


def test_every_variable_is_described() -> None:
    """A sentence each, for the table of the settings."""
    assert all(description.endswith(".") or description.endswith("`.") for description in variables().values())


def test_keys_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are nowhere in what a setting is shown as."""
    monkeypatch.setenv("HANDRAIL_API_KEY", "hunter2, hunter3")
    settings = read()
    assert settings.api_keys == ("hunter2", "hunter3")
    assert "hunter" not in repr(settings)
