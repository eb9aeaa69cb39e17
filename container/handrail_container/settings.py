"""The environment, read once: a typed field for each variable, and every problem reported at once."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handrail import reference
from handrail.errors import MalformedReference
from handrail.slots import Place, Slot
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from handrail_container.errors import SettingsError

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

#: Prefixes under which every variable is ours, so that a misspelt one is an error.
OUR_PREFIXES = ("HANDRAIL_", "CUSTOM_FASTAPI_")
#: What Kubernetes injects for a service called `handrail`.
_KUBERNETES = ("HANDRAIL_SERVICE_", "HANDRAIL_PORT")
_VLLM_PREFIX = "SM_VLLM_"
_SESSIONS = "SAGEMAKER_ENABLE_STATEFUL_SESSIONS"
_SUPERVISOR = ("PROCESS_", "SUPERVISOR_")
_SECRET_WORDS = frozenset({"TOKEN", "KEY", "SECRET", "PASSWORD"})


def variable(name: str, default: Any, description: str, **constraints: Any) -> Any:
    """A field read from the environment variable `name`."""
    return Field(default=default, validation_alias=name, description=description, **constraints)


class Settings(BaseSettings):
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
    ping_handler: str | None = variable(
        "CUSTOM_FASTAPI_PING_HANDLER", None, "A reference to the function that answers `/ping`."
    )
    invocation_handler: str | None = variable(
        "CUSTOM_FASTAPI_INVOCATION_HANDLER", None, "A reference to the function that answers `/invocations`."
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
        "Whether `requirements.txt` beside the script is installed before the script is imported.",
    )
    standard_auto_install: bool | None = variable(
        "STANDARD_AUTO_INSTALL_REQ", None, "The AWS container's name for `HANDRAIL_INSTALL_REQUIREMENTS`."
    )
    pip_args: str | None = variable(
        "STANDARD_PIP_ARGS", None, "What `pip install` gets in place of `-r requirements.txt`."
    )
    port: int = variable("SAGEMAKER_BIND_TO_PORT", 8080, "The port to listen on.", ge=0, le=65535)
    container_log_level: LogLevel | None = variable(
        "SAGEMAKER_CONTAINER_LOG_LEVEL", None, "The log level: DEBUG, INFO, WARNING, ERROR or CRITICAL (INFO)."
    )
    plain_log_level: LogLevel = variable(
        "LOG_LEVEL", "INFO", "The log level where `SAGEMAKER_CONTAINER_LOG_LEVEL` is not set."
    )
    engine: Literal["vllm", "echo", "none"] = variable(
        "HANDRAIL_ENGINE",
        "vllm",
        "The engine: `vllm`; `echo`, which answers with its own input; `none`, for scripts that call something else.",
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
    max_body_mb: float = variable(
        "HANDRAIL_MAX_BODY_MB", 25, "The largest request body, in MB; a larger one is 413.", gt=0
    )
    drain_s: float = variable(
        "HANDRAIL_DRAIN_S", 25, "Seconds that requests in flight have to finish after SIGTERM.", ge=0
    )
    model_routes: Literal["engine", "strict"] = variable(
        "HANDRAIL_MODEL_ROUTES",
        "engine",
        "A `/v1` route of Truss that the Model does not define: the `engine` answers, or it is 404 (`strict`).",
    )
    secrets_path: Path = variable("HANDRAIL_SECRETS_PATH", Path("/secrets"), "The folder of a Model's secrets.")
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
        "ping_handler", "invocation_handler", "throttle", "pre_post_process", "pre_process", "post_process"
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

    @property
    def installs_requirements(self) -> bool:
        return self.install_requirements and self.standard_auto_install is not False

    @property
    def references(self) -> dict[Slot | Place, str]:
        """The references that are set, by what they fill."""
        given: dict[Slot | Place, str | None] = {
            Slot.PING: self.ping_handler,
            Slot.INVOCATION: self.invocation_handler,
            Place.THROTTLE: self.throttle,
            Place.PRE_POST_PROCESS: self.pre_post_process,
            Place.INPUT_FORMATTER: self.pre_process,
            Place.OUTPUT_FORMATTER: self.post_process,
        }
        return {role: value for role, value in given.items() if value}


def variables() -> dict[str, str]:
    """Every variable with its description."""
    return {str(field.validation_alias): str(field.description) for field in Settings.model_fields.values()}


@dataclass(frozen=True)
class Known:
    """A setting as it is: `source` is "command line", "environment" or "default"; a secret's `value` is masked."""

    name: str
    value: str
    source: str


def known(settings: Settings, given: Iterable[str]) -> list[Known]:
    """Every setting and where it comes from; `given` are the fields that the command line gave."""
    on_command_line = {_alias(name) for name in given}
    rows = []
    for field, info in Settings.model_fields.items():
        name = str(info.validation_alias)
        source = "environment" if os.environ.get(name) else "default"
        if name in on_command_line:
            source = "command line"
        if field != "vllm":
            rows.append(Known(name, _shown(name, getattr(settings, field)), source))
    return rows + [Known(name, _shown(name, value), "environment") for name, value in settings.vllm.items()]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    is_secret = isinstance(value, SecretStr) or not _SECRET_WORDS.isdisjoint(name.split("_"))
    return "***" if is_secret else masked(str(value))


def masked(text: str) -> str:
    """`text` without the passwords of its addresses: an index of packages may have one."""
    return re.sub(r"(?<=://)[^/@\s]+(?=@)", "***", text)


def process_environment() -> Mapping[str, str]:
    """All of it, as it is: where a Model's secrets may be."""
    return os.environ


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set those that the process does not have: what a definition asks for its own code."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def without_effect() -> list[str]:
    """Variables of the AWS container's supervisor: the platform restarts us."""
    return sorted(name for name in os.environ if name.startswith(_SUPERVISOR))


def read(**given: Any) -> Settings:
    """The settings of the environment under what the command line gave, by field name; None is not given.

    Raises SettingsError with every problem there is, and with the settings as they are without those.
    """
    environment = {name: value for name, value in os.environ.items() if value}  # an empty variable is an unset one
    problems = [*_misspelt(environment), *_not_yet(environment)]
    flags = {name: value for name, value in environment.items() if name.startswith(_VLLM_PREFIX)}
    chosen = {_alias(name): value for name, value in given.items() if value is not None}
    chosen["SM_VLLM_<FLAG>"] = flags
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        problems += [_problem(dict(details), chosen) for details in error.errors()]
        settings = Settings(**{**chosen, **_defaults(str(details["loc"][0]) for details in error.errors())})
    if problems:
        refused = SettingsError(*problems)
        refused.usable = settings
        raise refused
    return settings


def _defaults(names: Iterable[str]) -> dict[str, Any]:
    fields = {str(field.validation_alias): field.default for field in Settings.model_fields.values()}
    return {name: fields[name] for name in names}


def _alias(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias)


def _problem(details: dict[str, Any], chosen: Mapping[str, Any]) -> str:
    """One sentence: the setting, the value it has, what it must be."""
    name = str(details["loc"][0])
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    value = chosen.get(name, os.environ.get(name))
    return f"{name} is {value!r}: {str(details['msg']).removeprefix('Input ')}. {variables()[name]}"


def _misspelt(environment: Mapping[str, str]) -> list[str]:
    known = [name for name in variables() if not name.startswith(_VLLM_PREFIX)]
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith(OUR_PREFIXES) and not name.startswith(_KUBERNETES) and name not in known
    ]
    return [f"{name} is not a setting of Handrail.{_nearest(name, known)}" for name in unknown]


def _not_yet(environment: Mapping[str, str]) -> list[str]:
    """What a script would silently lose, were the setting passed over."""
    if environment.get(_SESSIONS, "").lower() not in ("true", "1"):
        return []
    return [f"{_SESSIONS} is {environment[_SESSIONS]!r}, and Handrail keeps no sessions yet: unset it."]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
