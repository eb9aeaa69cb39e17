"""The server's settings in a `config.yaml`: the engine's flags and model, and variables of the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handrail.styles.truss.config import TrussConfig

from handrail_container.process.exits import SettingsError
from handrail_container.program import system_packages, truss_flags
from handrail_container.program.config_yaml import find_config
from handrail_container.program.truss_flags import Field, Outcome
from handrail_container.settings import environment
from handrail_container.settings.fields import Settings

_PREFIX = "SM_VLLM_"
_MODEL = "SM_VLLM_MODEL"


@dataclass(frozen=True)
class EngineConfig:
    """Settings for the engine. `flags` are the environment's over those of the file; `model` is the file's."""

    fields: tuple[Field, ...] = ()
    flags: Mapping[str, str] | None = None
    model: str | None = None
    #: A sentence on missing system packages, and how to add them; empty if none is missing.
    lacking: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        refused = [row for row in self.fields if row.outcome is Outcome.REFUSED]
        return tuple(f"{row.where} {row.name}: {row.note}" for row in refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """At most two: one for all fields that need a GPU, one for system packages."""
        rows = [row for row in self.fields if row.needs_gpu]
        of_gpu = f"{', '.join(row.where + ' ' + row.name for row in rows)}: there is no GPU for it" if rows else ""
        return tuple(filter(None, (of_gpu, self.lacking)))


def read(settings: Settings) -> EngineConfig:
    """The settings of the file. If it cannot be read, only the environment's: the program's faults report the file."""
    config = find_config(settings.model_path)
    if not isinstance(config, TrussConfig):
        return EngineConfig(flags=settings.vllm)
    rows = tuple(truss_flags.fields(config, on_gpu=settings.engine == "vllm" and truss_flags.has_gpu()))
    of_file = truss_flags.engine_flags(list(rows)) | _of_process(config)
    model = of_file.pop(_MODEL, None)
    return EngineConfig(rows, {**of_file, **settings.vllm}, model, system_packages.sentence(config))


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
