"""What a `config.yaml` says of the server: the engine's flags and model, and variables of the process."""

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
    """`flags` are those of the environment over those of the file; `model` is the file's."""

    fields: tuple[Field, ...] = ()
    flags: Mapping[str, str] | None = None
    model: str | None = None
    #: What is missing of the system's packages, and what to do.
    lacking: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        refused = [row for row in self.fields if row.outcome is Outcome.REFUSED]
        return tuple(f"{row.where} {row.name}: {row.note}" for row in refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One for everything that wants a GPU, and one for the system's packages."""
        rows = [row for row in self.fields if row.needs_gpu]
        of_gpu = f"{', '.join(row.where + ' ' + row.name for row in rows)}: there is no GPU for it" if rows else ""
        return tuple(filter(None, (of_gpu, self.lacking)))


def read(settings: Settings) -> EngineConfig:
    """What the file says, where it can be read; where it cannot, the program's faults say so."""
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
    """`environment_variables`, as text."""
    given = config.value("environment_variables")
    if not isinstance(given, Mapping):
        return {}
    return {str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def set_variables(settings: Settings) -> None:
    """Before the script is imported: the process's own environment wins."""
    config = find_config(settings.model_path)
    if isinstance(config, TrussConfig):
        environment.set_defaults({n: v for n, v in variables(config).items() if not n.startswith(_PREFIX)})


def require_no_problems(config: EngineConfig) -> None:
    """Raises SettingsError."""
    if config.problems:
        raise SettingsError(*config.problems)
