"""A snippet, ready for workers to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: The types of values in a definition's `environment`.
Value = str | int | float | bool


@dataclass(frozen=True)
class Snippet:
    """`source` begins at line `first_line` of the file `filename`; modules beside the definition, in `folder`, are
    importable. `environment` is resolved and holds secrets, so it is not part of the repr."""

    source: str = field(repr=False)
    filename: str
    first_line: int
    folder: Path
    environment: Mapping[str, Value] = field(repr=False)
    timeout_s: float
    workers: int
