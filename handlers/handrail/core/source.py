"""Reads Python files without running them."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

#: Bytes of the largest file that is read: no larger script is written by hand.
LARGEST = 1_000_000


def parsed(path: Path) -> ast.Module | None:
    """The syntax tree of a file; None if it cannot be read or parsed: importing it reports why."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        with warnings.catch_warnings(action="ignore"):  # Python warns about this source on import
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
