"""From where a client may have an adapter loaded."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException

from handrail_container.engine.lora import HUB_ID, no_directory

#: What SageMaker fills. Where below it the files of an adapter component are is not documented: those of a model are
#: in `model`, those of a multi-model endpoint's models in `models/NAME/model`.
SAGEMAKER = Path("/opt/ml")


class AdapterSources:
    """`roots` are directories; what is below one may be loaded, and hub ids where they are `from_hub`."""

    def __init__(self, roots: tuple[Path, ...], *, from_hub: bool = False) -> None:
        self._roots = [root for given in roots for root in {os.path.abspath(given), os.path.realpath(given)}]
        self._from_hub = from_hub

    def require(self, source: str) -> str:
        """What is to be loaded for `source`. Nothing is looked up for one that may not be: its answer is that for a
        directory which is not there. Raises HTTPException with 404."""
        path = os.path.abspath(source) if "\0" not in source else "/"  # without `..`, and `~` is a name as any other
        if any(path.startswith(os.path.join(root, "")) for root in self._roots):
            return path
        if self._from_hub and HUB_ID.fullmatch(source):
            return source
        raise HTTPException(404, no_directory(source))
