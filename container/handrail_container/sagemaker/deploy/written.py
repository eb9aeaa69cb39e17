"""Reads `deploy.yaml`: its values, their line numbers, and `$NAME`, which is refused because nothing replaces it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from handrail_container.process.exits import SettingsError

_VARIABLE = re.compile(r"\$(?:[A-Z_][A-Z0-9_]*(?![A-Za-z0-9_])|\{[A-Za-z_][^}]*\})")
#: The flags that are given once for each entry.
_REPEATED = {
    "environment": "--env {name}=",
    "tags": "--tag {name}=",
    "subnets": "--subnet ",
    "security_groups": "--security-group ",
}


class Written:
    """The file's content. Raises SettingsError if it is no YAML mapping, or a value contains `$NAME`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            text = file.read_text()
            content, root = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"{file} cannot be read: {error}") from None
        if not isinstance(content, dict | None):
            raise SettingsError(
                f"{file} is {type(content).__name__}: write `key: value` lines, such as `name: my-endpoint`"
            )
        self.values: dict[str, Any] = {str(key): value for key, value in (content or {}).items() if value is not None}
        self._lines = {key: node.start_mark.line + 1 for key, node in _scalars(root, ())}
        if found := [self._not_replaced(key, node) for key, node in _scalars(root, ()) if _VARIABLE.search(node.value)]:
            raise SettingsError(*found)

    def place(self, key: str) -> str:
        """`file:line` of the first value below a key."""
        line = next((line for keys, line in self._lines.items() if keys[0] == key), None)
        return f"{self._file}:{line}" if line else str(self._file)

    def _not_replaced(self, keys: tuple[str, ...], node: yaml.ScalarNode) -> str:
        flag = _REPEATED.get(keys[0], "--" + keys[0].replace("_", "-") + " ").format(name=keys[-1])
        return (
            f"{self._file}:{node.start_mark.line + 1}: {'.'.join(keys)} is {node.value!r}, in which no variable is "
            f"replaced: write the value, or leave it out here and give {flag}…, where your shell replaces it"
        )


def _scalars(node: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Each scalar value with the path of keys to it."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*keys, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _scalars(item, (*keys, str(number)))
    elif isinstance(node, yaml.ScalarNode) and keys:
        yield keys, node
