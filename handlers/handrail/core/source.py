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
        tree = _parsed(path.read_bytes(), "exec") if path.stat().st_size <= LARGEST else None
    except OSError:
        return None
    return tree if isinstance(tree, ast.Module) else None


def parsed_expression(text: str) -> ast.expr | None:
    tree = _parsed(text, "eval")
    return tree.body if isinstance(tree, ast.Expression) else None


def _parsed(text: str | bytes, mode: str) -> ast.AST | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warns about this source on import
            return compile(text, "<unknown>", mode, ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
