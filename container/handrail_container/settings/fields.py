"""A typed field for each variable of the environment; `environment.py` reads them."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from handrail.core import reference
from handrail.core.errors import MalformedReference
from handrail.core.redaction import Redactor, is_secret
from handrail.core.slots import Slot, WrapperSlot
from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from handrail_container.settings.dialects import DialectSettings
from handrail_container.settings.field import variable
from handrail_container.settings.limits import LimitSettings
from handrail_container.settings.plugins import PluginSettings
from handrail_container.settings.ray import RaySettings
from handrail_container.settings.script import ScriptSettings

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class ServerSettings(BaseSettings):
    """The settings that mean the same wherever the server runs, except the limits."""

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    model_path: Path = variable(
        "SAGEMAKER_MODEL_PATH", Path("/opt/ml/model"), "The model directory: script, weights and what belongs to them."
    )
    script_filename: str | None = variable(
        "CUSTOM_SCRIPT_FILENAME",
        None,
        "The script, under the model directory. Unset: the first of `model.py`, `code/model.py`, a Truss's "
        "`model/model.py`.",
    )
    definition: str | None = variable(
        "HANDRAIL_DEFINITION",
        None,
        "The `run_inference` definition, under the model directory; `none` for none. Unset: `model.yaml`, `model.yml`.",
    )
    sagemaker_program: str | None = variable(
        "SAGEMAKER_PROGRAM",
        None,
        "The script for SageMaker's inference toolkit. Unset: `code/inference.py`.",
    )
    foreign_script: Literal["refuse", "warn"] = variable(
        "HANDRAIL_FOREIGN_SCRIPT",
        "refuse",
        "A script written for another server, where nothing else answers in its place: the start is refused, or the "
        "default handlers answer and the log says so (`warn`, as with `HANDRAIL_ALLOW_UNUSED`).",
    )
    ping_handler: str | None = variable(
        "CUSTOM_FASTAPI_PING_HANDLER", None, "A reference to the function that answers `/ping`."
    )
    invocation_handler: str | None = variable(
        "CUSTOM_FASTAPI_INVOCATION_HANDLER", None, "A reference to the function that answers `/invocations`."
    )
    stream_handler: str | None = variable(
        "CUSTOM_FASTAPI_STREAM_HANDLER",
        None,
        "A reference to the function that answers WebSockets at `/invocations-bidirectional-stream`.",
    )
    throttle: str | None = variable(
        "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE", None, "A reference to a middleware around everything but `/ping`."
    )
    pre_post_process: str | None = variable(
        "CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS", None, "A reference to a middleware next to the handlers."
    )
    pre_process: str | None = variable(
        "CUSTOM_PRE_PROCESS", None, "A reference to `f(request)`, which sees each request before its handler."
    )
    post_process: str | None = variable(
        "CUSTOM_POST_PROCESS", None, "A reference to `f(response)`, which sees each response after its handler."
    )
    install_requirements: bool = variable(
        "HANDRAIL_INSTALL_REQUIREMENTS",
        True,
        "Whether `requirements.txt` beside the script, and what a Truss's `config.yaml` requires, is installed before "
        "the script is imported.",
    )
    standard_auto_install: bool | None = variable(
        "STANDARD_AUTO_INSTALL_REQ", None, "The AWS container's name for `HANDRAIL_INSTALL_REQUIREMENTS`."
    )
    pip_args: str | None = variable(
        "STANDARD_PIP_ARGS",
        None,
        "What `pip install` gets in place of `-r requirements.txt` and a Truss's requirements.",
    )
    port: int = variable("SAGEMAKER_BIND_TO_PORT", 8080, "The port to listen on.", ge=0, le=65535)
    enable_stateful_sessions: bool = variable(
        "SAGEMAKER_ENABLE_STATEFUL_SESSIONS",
        False,
        "Whether clients may open sessions, and handlers find them at `request.state.session`.",
    )
    sessions_expiration: int = variable(
        "SAGEMAKER_SESSIONS_EXPIRATION", 1200, "Seconds from a session's opening to its end.", gt=0
    )
    sessions_path: Path | None = variable(
        "SAGEMAKER_SESSIONS_PATH",
        None,
        "The folder of the sessions. Unset: `sagemaker_sessions` in `/dev/shm`, or in the temporary folder.",
    )
    container_log_level: LogLevel | None = variable(
        "SAGEMAKER_CONTAINER_LOG_LEVEL", None, "The log level: DEBUG, INFO, WARNING, ERROR or CRITICAL (INFO)."
    )
    plain_log_level: LogLevel = variable(
        "LOG_LEVEL", "INFO", "The log level where `SAGEMAKER_CONTAINER_LOG_LEVEL` is not set."
    )
    log_format: Literal["auto", "json", "plain"] = variable(
        "HANDRAIL_LOG_FORMAT",
        "auto",
        "How all of standard error is written: `json`, an object a line; `plain`; `auto`: plain on a terminal, else "
        "`json`; with `handrail invoke` and `emulate`, plain.",
    )
    engine: str = variable(
        "HANDRAIL_ENGINE",
        "vllm",
        "The engine: `vllm`; `echo`, which answers with its own input; `none`, for scripts that call something else; "
        "or that of a plugin.",
    )
    hf_model_id: str | None = variable(
        "HF_MODEL_ID", None, "The model where neither `SM_VLLM_MODEL` nor weights in the model directory say."
    )
    hf_token: SecretStr | None = variable("HF_TOKEN", None, "The token for gated models.")
    hugging_face_hub_token: SecretStr | None = variable(
        "HUGGING_FACE_HUB_TOKEN", None, "The same where `HF_TOKEN` is not set."
    )
    error_detail: Literal["full", "none"] = variable(
        "HANDRAIL_ERROR_DETAIL",
        "full",
        "What a 500 tells the client: `full` (exception, message, line) or `none` (the request id only).",
    )
    access_log: Literal["errors", "all", "off"] = variable(
        "HANDRAIL_ACCESS_LOG",
        "errors",
        "Which requests are logged: `errors` (not 2xx, or over a second), `all`, `off`.",
    )
    api_key: SecretStr | None = variable(
        "HANDRAIL_API_KEY",
        None,
        "The key a client sends as `Authorization: Bearer`; several, separated by commas, are valid at once.",
    )
    vllm_api_key: SecretStr | None = variable(
        "VLLM_API_KEY",
        None,
        "vLLM's own name for a key, one only; it is asked for as `HANDRAIL_API_KEY` is, and both are valid. With the "
        "engine `none` it is not ours.",
    )
    protect_metrics: bool = variable(
        "HANDRAIL_PROTECT_METRICS", False, "Whether `/metrics` asks for the key too; SageMaker's scraper has none."
    )
    otlp_endpoint: str | None = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "Where OpenTelemetry's spans are sent, by OTLP over HTTP; OpenTelemetry's other variables have their effect.",
    )
    model_routes: Literal["predict", "engine", "strict"] = variable(
        "HANDRAIL_MODEL_ROUTES",
        "predict",
        "A route that generates and that a Truss Model does not define: its `predict` answers, where it has one, the "
        "`engine` does, or it is 404 (`strict`).",
    )
    model_names: Literal["lenient", "strict"] = variable(
        "HANDRAIL_MODEL_NAMES",
        "lenient",
        "A `model` that nobody knows, in a call of `handrail.Engine`: the base model answers (`lenient`), or it is 404 "
        "(`strict`). In requests it is 404, but for `dummy` and `tgi`, which clients of TGI send: the base model "
        "answers them where this is `lenient`.",
    )
    load_retries: int = variable(
        "NUM_LOAD_RETRIES_TRUSS", 1, "How often a Truss Model's `load` is tried again, a second after it failed.", ge=0
    )
    truss_environment: str | None = variable(
        "TRUSS_ENVIRONMENT",
        None,
        'The environment that a Truss Model is told of: `environment` and `setup_environment` get `{"name": …}`.',
    )
    secrets_path: Path = variable(
        "HANDRAIL_SECRETS_PATH", Path("/secrets"), "The folder of a Model's or a definition's secrets."
    )
    snippet_timeout_s: float = variable(
        "HANDRAIL_SNIPPET_TIMEOUT_S",
        60,
        "Seconds a `run_inference` may take where its definition does not say.",
        gt=0,
    )
    snippet_workers: int = variable(
        "HANDRAIL_SNIPPET_WORKERS", 4, "Processes for `run_inference` where its definition does not say.", ge=1
    )
    snippet_queue: int = variable(
        "HANDRAIL_SNIPPET_QUEUE", 100, "Requests that may wait for a process of `run_inference`; one more is 503.", ge=0
    )
    echo_load_s: float = variable("HANDRAIL_ECHO_LOAD_S", 0, "Seconds the echo engine takes to load.", ge=0)
    echo_ttft_ms: float = variable("HANDRAIL_ECHO_TTFT_MS", 0, "Milliseconds to the echo engine's first token.", ge=0)
    echo_itl_ms: float = variable("HANDRAIL_ECHO_ITL_MS", 0, "Milliseconds between the echo engine's tokens.", ge=0)
    vllm: dict[str, str] = variable(
        "SM_VLLM_<FLAG>", {}, "vLLM's own flags: `SM_VLLM_MAX_MODEL_LEN=2048` is `--max-model-len 2048`."
    )

    @field_validator("container_log_level", "plain_log_level", mode="before")
    @classmethod
    def _as_logging_has_it(cls, value: Any) -> Any:
        """`warn` is WARNING and, as SageMaker's own SDK sets it, `20` is INFO."""
        if not isinstance(value, str):
            return value
        number = int(value) if value.isdecimal() else logging.getLevelNamesMapping().get(value.upper())
        return value if number is None else logging.getLevelName(number)

    @field_validator(
        "ping_handler",
        "invocation_handler",
        "stream_handler",
        "throttle",
        "pre_post_process",
        "pre_process",
        "post_process",
    )
    @classmethod
    def _well_formed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            try:
                reference.parse(str(cls.model_fields[str(info.field_name)].validation_alias), value)
            except MalformedReference as fault:
                raise ValueError(str(fault)) from None
        return value

    @property
    def log_level(self) -> str:
        return self.container_log_level or self.plain_log_level

    @field_validator("api_key", "vllm_api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuses a key that no header can carry. The message does not quote the key."""
        name, given = cls.model_fields[str(info.field_name)].validation_alias, key.get_secret_value() if key else "-"
        keys = given.split(",") if name == "HANDRAIL_API_KEY" else [given]
        if all(one.strip().isascii() and one.strip().isprintable() and one.strip() for one in keys):
            return key
        instead = "keys of printable ASCII, separated by single commas" if len(keys) > 1 else "a key of printable ASCII"
        raise ValueError(
            f"{name} has a key that is empty, or has characters that no header can carry: write {instead}."
        )

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The keys that are valid; empty if no request needs one."""
        given = self.api_key.get_secret_value().split(",") if self.api_key else []
        if self.vllm_api_key and self.engine != "none":  # else it is for a server that the script asks
            given.append(self.vllm_api_key.get_secret_value())
        return tuple(dict.fromkeys(one.strip() for one in given))

    @property
    def installs_requirements(self) -> bool:
        return self.install_requirements and self.standard_auto_install is not False

    @cached_property
    def redactor(self) -> Redactor:
        """Hides the secrets among the settings, and others as they become known."""
        redactor = Redactor()
        for value in self.__dict__.values():
            redactor.hide(value.get_secret_value() if isinstance(value, SecretStr) else None)
        for secret in (*self.api_keys, *(flag for name, flag in self.vllm.items() if is_secret(name))):
            redactor.hide(secret)
        return redactor

    @property
    def references(self) -> dict[Slot | WrapperSlot, str]:
        """The references that are set, by the slots that they fill."""
        given: dict[Slot | WrapperSlot, str | None] = {
            Slot.PING: self.ping_handler,
            Slot.INVOCATION: self.invocation_handler,
            Slot.STREAM: self.stream_handler,
            WrapperSlot.THROTTLE: self.throttle,
            WrapperSlot.PRE_POST_PROCESS: self.pre_post_process,
            WrapperSlot.INPUT_FORMATTER: self.pre_process,
            WrapperSlot.OUTPUT_FORMATTER: self.post_process,
        }
        return {role: value for role, value in given.items() if value}


class Settings(RaySettings, LimitSettings, DialectSettings, PluginSettings, ScriptSettings, ServerSettings):
    """All settings."""


def variables() -> dict[str, str]:
    """Every variable with its description."""
    return {str(field.validation_alias): str(field.description) for field in Settings.model_fields.values()}
