"""A Model's surroundings besides the engine: secrets, and the environment it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handrail.core.redaction import Redactor
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.secrets import Secrets


@dataclass(frozen=True)
class Surroundings:
    """`secrets_path` is the folder of secrets, `environment` holds the process's variables, `name` is the environment
    name given to the Model; `load_retries` is the number of retries of a failed `load`; `lacking` is a sentence on
    resources that the Model requests and the machine lacks."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets_path: Path = Path("/secrets")
    name: str | None = None
    load_retries: int = 1
    redactor: Redactor = field(default_factory=Redactor)
    lacking: str = ""

    def secrets(self, config: TrussConfig) -> Secrets:
        return Secrets(config.secrets, self.secrets_path, self.environment, self.redactor)

    def named(self) -> dict[str, Any] | None:
        """Truss's description of the environment; None if it has no name."""
        return {"name": self.name} if self.name else None
