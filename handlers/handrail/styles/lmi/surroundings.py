"""What the operator has set for a script for LMI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LmiSurroundings:
    """`model_id` is a property of each request, as in LMI. `has_engine` is False if the server runs without one.

    `keeps_424` says that an exception of the script is 424, as in LMI, and not 500. `is_preferred` says that the script
    comes before a `class Model` in it, and before a script of another style beside it. `options` are those of
    `serving.properties` and `OPTION_*`, by their names, which are properties of each request, too.
    """

    model_id: str | None = None
    has_engine: bool = True
    keeps_424: bool = False
    is_preferred: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
