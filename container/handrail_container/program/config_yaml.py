"""Reads `config.yaml` into a TrussConfig, with the line of each field."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from handrail.core.errors import DefinitionRefused
from handrail.styles.truss.config import TrussConfig

FILE = "config.yaml"


def find_config(folder: Path) -> TrussConfig | DefinitionRefused | None:
    """The Truss's configuration; the fault if it cannot be read; None if there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return _read(path)
    except DefinitionRefused as fault:
        return fault


def _read(path: Path) -> TrussConfig:
    import yaml  # most servers have no such file

    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        data = yaml.SafeLoader("").construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DefinitionRefused(f"{path}{line} is not YAML: {error.problem}.") from None
    except (OSError, ValueError) as error:  # not UTF-8, an invalid date
        raise DefinitionRefused(f"{path} cannot be read: {error}.") from None
    if not isinstance(data, dict):
        raise DefinitionRefused(f"{path} holds no fields: write `name: value` lines.")
    return TrussConfig(path, data, dict(_lines(node, path)))


def _lines(node: Any, path: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The dotted name of each field and list item, with its line. Raises DefinitionRefused for a field given twice."""
    seen: set[Hashable] = set()
    for key, value in node.value if getattr(node, "id", None) == "mapping" else ():
        if key.value in seen:
            raise DefinitionRefused(f"{path}:{key.start_mark.line + 1} {prefix}{key.value} is there twice: keep one.")
        seen.add(key.value)
        yield f"{prefix}{key.value}", key.start_mark.line + 1
        yield from _lines(value, path, f"{prefix}{key.value}.")
    for number, item in enumerate(node.value) if getattr(node, "id", None) == "sequence" else ():
        yield f"{prefix}{number}", item.start_mark.line + 1
