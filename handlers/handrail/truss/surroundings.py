"""What a Model is given besides the engine: secrets, and the environment it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handrail.truss.config import Config
from handrail.truss.secrets import Secrets

#: Names the environment a Model is told it runs in.
ENVIRONMENT = "TRUSS_ENVIRONMENT"


@dataclass(frozen=True)
class Surroundings:
    """`secrets_path` is the folder of secrets, `environment` the variables of the process."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets_path: Path = Path("/secrets")

    def secrets(self, config: Config) -> Secrets:
        return Secrets(config.secrets, self.secrets_path, self.environment)

    def named(self) -> dict[str, Any] | None:
        """Truss's description of its environment; None where none is named."""
        name = self.environment.get(ENVIRONMENT)
        return {"name": name} if name else None
