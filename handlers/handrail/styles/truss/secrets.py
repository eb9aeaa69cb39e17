"""The secrets of a Model: those declared in its `config.yaml`, looked up on each read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from handrail.core.redaction import Redactor

PREFIX = "TRUSS_SECRET_"


class SecretNotFound(KeyError):
    """A KeyError, so that `.get` and `in` work."""

    def __str__(self) -> str:
        return str(self.args[0])


class Secrets(Mapping[str, Any]):
    """Values come from a file of the secret's name in `folder`, else `TRUSS_SECRET_<name>`, else `config.yaml`.

    A file's content is not stripped. An empty secret counts as missing. All present values are registered with
    `redactor`, and again each value that is read.
    """

    def __init__(
        self, declared: Mapping[str, Any], folder: Path, environment: Mapping[str, str], redactor: Redactor
    ) -> None:
        self._declared = declared
        self._folder = folder
        self._environment = environment
        self._redactor = redactor
        for name, default in declared.items():
            for value in (self._of_file(name), environment.get(PREFIX + name), default):
                redactor.hide(value)

    def __repr__(self) -> str:
        return f"<Secrets: {', '.join(self._declared) or 'none declared'}>"

    def __getitem__(self, name: str) -> Any:
        """Raises SecretNotFound."""
        if name not in self._declared:
            raise SecretNotFound(f"the secret {name!r} is not declared: add it to `secrets` in config.yaml")
        value = self._of_file(name) or self._environment.get(PREFIX + name) or self._declared[name]
        if not value:
            file = self._folder / name
            raise SecretNotFound(f"the secret {name!r} has no value: write {file}, or set {PREFIX}{name}")
        self._redactor.hide(value)
        return value

    def _of_file(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text()
        except (OSError, ValueError):  # no such file, not text, or an invalid file name
            return None

    def __iter__(self) -> Iterator[str]:
        """The names that have a value."""
        return (name for name in self._declared if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
