"""The sources from which a client may load an adapter, and those of which the code may run."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException

from handrail_container.engine.lora import HUB_ID, TRUSTED, CodePolicy, no_directory
from handrail_container.settings.adapters import CodeFrom

#: The directory that SageMaker fills. A model is in `model`, a multi-model endpoint's models in `models/NAME/model`;
#: the place of an adapter component's files is not documented.
SAGEMAKER = Path("/opt/ml")


class AdapterSources:
    """Adapters may be loaded from below the directories `roots` and, with `from_hub`, by hub id. The code of those
    below `trusted` may run, and that of others as `code_from` says."""

    def __init__(
        self,
        roots: tuple[Path, ...],
        trusted: tuple[Path, ...] = (),
        *,
        from_hub: bool = False,
        code_from: CodeFrom = "model",
    ) -> None:
        self._roots = _both(roots)
        self._trusted = _both(trusted)
        self._from_hub = from_hub
        self._code_from = code_from

    def require(self, source: str) -> str:
        """The path or hub id to load for `source`. A forbidden source gets the 404 of a missing directory, without a
        look at the disk. Raises HTTPException."""
        path = os.path.abspath(source) if "\0" not in source else "/"  # resolves `..`; `~` is not expanded
        if _is_below(path, self._roots):
            return path
        if self._from_hub and HUB_ID.fullmatch(source) and not os.path.exists(source):
            return source  # a path from here that exists would be loaded in its place
        raise HTTPException(404, no_directory(source))

    def code_policy(self, source: str) -> CodePolicy:
        """Whether the code of the adapter at `source`, as `require` has returned it, may run."""
        is_local, asked = os.path.isabs(source), self._code_from
        allowed = {
            "model": is_local and _is_below(source, self._trusted),
            "local": is_local,
            "hub": True,
        }
        if allowed.get(asked, False):
            return TRUSTED
        reason = "local" if asked == "model" and not is_local else asked
        return CodePolicy(_REFUSALS[reason], ignores=asked == "ignore")


_REFUSALS = {
    "refuse": "and HANDRAIL_ADAPTERS_CODE=refuse lets none run",
    "ignore": "and HANDRAIL_ADAPTERS_CODE=ignore lets none be used",
    "model": "and HANDRAIL_ADAPTERS_CODE=model lets it run from below the model directory only: set local to let it "
    "run from every directory that adapters may be loaded from, or ignore to load the weights alone",
    "local": "and it comes from the hub: set HANDRAIL_ADAPTERS_CODE=hub to let it run, or ignore to load the weights "
    "alone",
}


def _both(roots: tuple[Path, ...]) -> list[str]:
    """Each directory as it is named, and with its links followed."""
    return [root for given in roots for root in {os.path.abspath(given), os.path.realpath(given)}]


def _is_below(path: str, roots: list[str]) -> bool:
    return any(path.startswith(os.path.join(root, "")) for root in roots)
