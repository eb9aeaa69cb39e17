"""What a model directory's configuration sets for the engine: a Truss's `config.yaml`, LMI's `serving.properties` and
variables. And the variables of the process in a `config.yaml`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from handrail.core.redaction import is_secret
from handrail.styles.truss.config import TrussConfig

from handrail_container.process.exits import SettingsError
from handrail_container.program import gpus, system_packages, truss_flags
from handrail_container.program.config_field import Field, Outcome
from handrail_container.program.config_yaml import find_config
from handrail_container.program.lmi import config as lmi_config
from handrail_container.program.lmi.config import LmiConfig
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

_PREFIX = "SM_VLLM_"
_MODEL = "SM_VLLM_MODEL"
#: The flags that say how many GPUs are used.
_SHARDING = {f"{_PREFIX}{name}_PARALLEL_SIZE" for name in ("TENSOR", "PIPELINE", "DATA")}
_BOTH = "config.yaml and serving.properties both configure the engine: where they differ, config.yaml comes first"


@dataclass(frozen=True)
class EngineConfig:
    """Settings for the engine. `fields` are those of `config.yaml`, `lmi` is LMI's configuration. `flags` are the
    environment's over those of `config.yaml`, over LMI's; `model` is of `config.yaml`: LMI's is among the flags."""

    fields: tuple[Field, ...] = ()
    flags: Mapping[str, str] | None = None
    model: str | None = None
    #: A sentence on missing system packages, and how to add them; empty if none is missing.
    lacking: str = ""
    lmi: LmiConfig = field(default_factory=LmiConfig)
    #: The field that sets a flag, by the flag's variable.
    origins: Mapping[str, Field] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        refused = [str(row) for row in (*self.fields, *self.lmi.fields) if row.outcome is Outcome.REFUSED]
        return (*refused, *filter(None, (self.lmi.problem,)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """One for all fields that need a GPU, one for system packages, and those of LMI's configuration."""
        rows = [row for row in self.fields if row.needs_gpu]
        of_gpu = f"{', '.join(row.label for row in rows)}: there is no GPU for it" if rows else ""
        of_lmi = [str(row) for row in self.lmi.fields if row.is_warned]
        both = _BOTH if self.fields and any(row.where for row in self.lmi.fields) else ""
        idle = None if _SHARDING & (self.flags or {}).keys() else self.lmi.idle_gpus
        return tuple(filter(None, (of_gpu, self.lacking, both, *of_lmi, idle)))

    def named(self, problem: str) -> str:
        """`problem` with the field behind each variable that it names."""
        for variable, row in self.origins.items():
            is_unknown = f"{variable} is not a flag" in problem and row in self.lmi.fields
            near = lmi_config.nearest(row.name) if is_unknown else None
            problem = re.sub(rf"\b{variable}\b", f"{row.label} ({variable})".replace("\\", r"\\"), problem)
            problem += f" (LMI has {near})" if near else ""
        return problem


def read(settings: Settings) -> EngineConfig:
    """The settings of the files and of LMI's variables. If `config.yaml` cannot be read, it counts as absent: the
    program's faults report it."""
    lmi = _behind(_of_lmi(settings), settings.vllm, None)
    config = find_config(settings.model_path)
    if not isinstance(config, TrussConfig):
        return EngineConfig((), merged(lmi.flags, settings.vllm), lmi=lmi, origins=_origins(lmi.fields, lmi.flags))
    rows = tuple(truss_flags.fields(config, on_gpu=settings.engine == "vllm" and truss_flags.has_gpu()))
    of_file = truss_flags.engine_flags(list(rows)) | _of_process(config)
    lmi = _behind(lmi, of_file, config.path)
    asked = merged(lmi.flags, of_file, settings.vllm)
    model = asked.pop(_MODEL) if _MODEL in of_file and _MODEL not in settings.vllm else None
    origins = _origins((*rows, *lmi.fields), {n: v for n, v in asked.items() if n not in settings.vllm})
    return EngineConfig(rows, asked, model, system_packages.sentence(config), lmi, origins)


def _origins(rows: Sequence[Field], flags: Mapping[str, str]) -> dict[str, Field]:
    return {name: row for row in reversed(rows) for name, value in row.flags.items() if flags.get(name) == value}


def _of_lmi(settings: Settings) -> LmiConfig:
    """LMI's configuration; none with the engine `none`, which has no use for it."""
    if settings.engine == "none":
        return LmiConfig()
    variables = environment.process_environment()
    lmi = lmi_config.read(settings.model_path, variables, gpus.count(variables))
    for name, value in lmi.flags.items():
        settings.redactor.hide(value if is_secret(name) else None)
    return lmi if settings.engine == "vllm" else replace(lmi, idle_gpus=None)


def _behind(lmi: LmiConfig, flags: Collection[str], path: Path | None) -> LmiConfig:
    """`lmi` without `flags`, which the environment sets, or the file at `path`."""

    def told(row: Field) -> Field:
        first = [other for name in row.flags for other in (name, _opposite(name)) if other in flags]
        if not first:
            return row
        return replace(row, outcome=Outcome.IGNORED, note=f"{path or first[0]} comes first", flags={})

    kept = {name: value for name, value in lmi.flags.items() if not {name, _opposite(name)} & set(flags)}
    return replace(lmi, fields=tuple(map(told, lmi.fields)), flags=kept)


def merged(*layers: Mapping[str, str]) -> dict[str, str]:
    """The flags of all, the later over the earlier; a flag goes with its opposite, or vLLM would be given both."""
    flags: dict[str, str] = {}
    for layer in layers:
        flags = {name: value for name, value in flags.items() if _opposite(name) not in layer} | dict(layer)
    return flags


def sets(name: str, flags: Collection[str]) -> bool:
    """Whether `flags` have the flag, or its opposite."""
    return name in flags or _opposite(name) in flags


def _opposite(name: str) -> str:
    """The variable that switches off what `name` switches on, or the other way."""
    flag = name.removeprefix(_PREFIX)
    return f"{_PREFIX}{flag.removeprefix('NO_') if flag.startswith('NO_') else f'NO_{flag}'}"


def _of_process(config: TrussConfig) -> dict[str, str]:
    return {name: value for name, value in variables(config).items() if name.startswith(_PREFIX)}


def variables(config: TrussConfig) -> dict[str, str]:
    """`environment_variables`, with values as text."""
    given = config.value("environment_variables")
    if not isinstance(given, Mapping):
        return {}
    return {str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def set_variables(settings: Settings) -> None:
    """Set the file's variables, before the script is imported. The process's own environment wins."""
    config = find_config(settings.model_path)
    if isinstance(config, TrussConfig):
        environment.set_defaults({n: v for n, v in variables(config).items() if not n.startswith(_PREFIX)})


def require_no_problems(config: EngineConfig) -> None:
    """Raises SettingsError if a field was refused."""
    if config.problems:
        raise SettingsError(*config.problems)
