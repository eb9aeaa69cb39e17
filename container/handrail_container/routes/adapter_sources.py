"""The sources from which a client may load an adapter."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException

from handrail_container.engine.lora import HUB_ID, no_directory

#: The directory that SageMaker fills. A model is in `model`, a multi-model endpoint's models in `models/NAME/model`;
#: the place of an adapter component's files is not documented.
SAGEMAKER = Path("/opt/ml")


class AdapterSources:
    """Adapters may be loaded from below the directories `roots` and, with `from_hub`, by hub id."""

    def __init__(self, roots: tuple[Path, ...], *, from_hub: bool = False) -> None:
        self._roots = [root for given in roots for root in {os.path.abspath(given), os.path.realpath(given)}]
        self._from_hub = from_hub

    def require(self, source: str) -> str:
        """The path or hub id to load for `source`. A forbidden source gets the 404 of a missing directory, without a
        look at the disk. Raises HTTPException."""
        path = os.path.abspath(source) if "\0" not in source else "/"  # resolves `..`; `~` is not expanded
        if any(path.startswith(os.path.join(root, "")) for root in self._roots):
            return path
        if self._from_hub and HUB_ID.fullmatch(source):
            return source
        raise HTTPException(404, no_directory(source))
