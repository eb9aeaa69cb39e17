"""The environment, read once into `Settings`: every problem reported at once, and where each value came from."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from handrail.core.redaction import MASK, is_secret
from pydantic import SecretStr, ValidationError

from handrail_container.process.exits import SettingsError
from handrail_container.settings.fields import Settings, variables
from handrail_container.settings.lmi_variables import is_lmis
from handrail_container.settings.script import OTHER_NAMES
from handrail_container.settings.vllm_flags import variable_warnings

#: Prefixes under which every variable is ours, so that a misspelt one is an error.
OUR_PREFIXES = ("HANDRAIL_", "CUSTOM_FASTAPI_")
#: Beginnings of the variables that Kubernetes injects for a service called `handrail`.
_KUBERNETES = ("HANDRAIL_SERVICE_", "HANDRAIL_PORT")
_VLLM_PREFIX = "SM_VLLM_"
_SAGEMAKER = "SAGEMAKER_"
#: Prefixes of the variables that a script, a definition, an engine or a tracer reads for itself.
_PASSED_ON = (*OUR_PREFIXES, _VLLM_PREFIX, "TRUSS_", "VLLM_", "HF_", "OTEL_", "CUSTOM_", _SAGEMAKER)
_SUPERVISOR = ("PROCESS_", "SUPERVISOR_")


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
        is_given = os.environ.get(name) or os.environ.get(OTHER_NAMES.get(name, ""))
        source = "environment" if is_given else "default"
        if name in on_command_line:
            source = "command line"
        if field != "vllm":
            rows.append(Known(name, _shown(name, getattr(settings, field)), source))
    return rows + [Known(name, _shown(name, value), "environment") for name, value in settings.vllm.items()]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return MASK if isinstance(value, SecretStr) or is_secret(name) else masked(str(value))


def masked(text: str) -> str:
    """`text` without the passwords of its addresses: an index of packages may have one."""
    return re.sub(r"(?<=://)[^/@\s]+(?=@)", "***", text)


def process_environment() -> Mapping[str, str]:
    """The whole environment, as it is: it may hold a Model's secrets."""
    return os.environ


def environment_for(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of another process, whose settings are `given`: without the settings of this one."""
    return {**{name: value for name, value in os.environ.items() if not _is_read(name)}, **given}


def has_sagemaker_variables() -> bool:
    """Whether any of SageMaker's variables is set, but for the one that a laptop has a use for."""
    return any(name.startswith(_SAGEMAKER) and name != "SAGEMAKER_MODEL_PATH" for name in os.environ)


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set the variables that are not set yet: those that a definition asks for its own code."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def variables_for_replica(settings: Settings) -> dict[str, str]:
    """The variables for another process of the same server: these settings, vLLM's, and related ones."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON) or is_lmis(name)}
    for field, info in Settings.model_fields.items():
        name, value = _alias(field), getattr(settings, field)
        if field != "vllm" and (value != info.default or name in passed):  # the command line may override it
            passed[name] = _as_variable(value)
    return {**passed, "SAGEMAKER_MODEL_PATH": str(settings.model_path.resolve())}


def _as_variable(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)


def take(given: Mapping[str, Any]) -> None:
    """Put `given` into the environment: settings by their variables' names."""
    os.environ.update({name: str(value) for name, value in given.items()})


def variables_for_endpoint() -> dict[str, str]:
    """The variables that we read, for an endpoint. Others are left out: a laptop has long ones that do not belong
    there."""
    return {name: value for name, value in os.environ.items() if value and _is_read(name)}


def _is_read(name: str) -> bool:
    return name in variables() or name.startswith((*OUR_PREFIXES, _VLLM_PREFIX)) or is_lmis(name)


def without_effect() -> list[str]:
    """The variables of the AWS container's supervisor that are set; here, the platform does the restarts."""
    return sorted(name for name in os.environ if name.startswith(_SUPERVISOR))


def vllm_server_warnings(settings: Settings) -> list[str]:
    """A sentence for each variable of vLLM's HTTP server that is set, and does nothing here."""
    return variable_warnings(os.environ) if settings.engine == "vllm" else []


def read(**given: Any) -> Settings:
    """The settings of the environment. `given`, by field name, are the command line's and override them, unless None.

    Raises SettingsError with every problem there is; its `usable` are the settings with defaults in place of those.
    """
    environment = {name: value for name, value in os.environ.items() if value}  # an empty variable is an unset one
    problems = _misspelt(environment)
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


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
