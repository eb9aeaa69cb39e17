"""Libraries that a script's bodies may need, imported when they are."""

from __future__ import annotations

import importlib
from typing import Any

from handrail.styles.inference_toolkit.decoding import LibraryMissing

_PACKAGES = {"PIL": "pillow"}


def library(name: str, what: str) -> Any:
    """The module. Raises LibraryMissing, which says what to install."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        raise LibraryMissing(
            f"{what} needs {package}, which is not installed: add {_PACKAGES.get(package, package)} to the "
            "requirements.txt beside the script"
        ) from None
