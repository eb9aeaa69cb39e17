"""Resolves `$NAME` and `<< secrets.NAME >>` in a definition, and detects malformed references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

#: The dotted prefix of the fields in a definition's environment.
ENVIRONMENT = "config.environment."
#: The folder in which Docker mounts secrets.
RUN_SECRETS = Path("/run/secrets")

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[^}]*)\}|(?P<plain>[A-Za-z_]\w*))")
_SECRET = re.compile(r"<<\s*secrets\.([A-Za-z0-9_-]+)\s*>>")
#: Matches anything in double brackets, `secret` after a bracket, and a dotted name in double brackets.
_NEARLY = re.compile(r"^\s*<<.*>>\s*$|[<{(]\s*\w*secrets?\b|<<\s*[\w-]+\.[\w.-]+\s*>", re.IGNORECASE | re.DOTALL)


class Unresolved(Exception):
    """A reference without a value. Its text continues a sentence that begins with the field's name."""


@dataclass(frozen=True)
class Filled:
    text: str
    is_secret: bool = False


@dataclass(frozen=True)
class References:
    """The sources of values. `variables` are the process's over those of `.env`; `folders` hold a file per secret."""

    variables: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()

    def filled(self, text: str) -> Filled:
        """`text` with its variables filled in, if it begins with one and has no white space. Raises Unresolved."""
        if not text.startswith("$") or re.search(r"\s", text):
            return Filled(text)
        names = [found["braced"] or found["plain"] or "" for found in _VARIABLE.finditer(text)]
        unset = [name for name in names if name not in self.variables]
        if unset:
            raise Unresolved(
                f"is {text!r}, and {' and '.join(unset)} is not set: set it in the environment or in `.env` beside "
                "the definition."
            )
        filled = _VARIABLE.sub(lambda found: self.variables[found["braced"] or found["plain"]], text)
        return Filled(filled, is_secret=bool(names) and not _is_harmless(filled))

    def secret(self, text: str, declared: Mapping[str, Any]) -> str | None:
        """The secret that `text` refers to; None if it refers to none. Raises Unresolved."""
        whole = _SECRET.fullmatch(text.strip())
        if whole is not None:
            return self._value(whole[1], declared)
        if _NEARLY.search(text):
            raise Unresolved(
                "looks like a reference to a secret and is none: a value is `<< secrets.NAME >>` as a whole, or has "
                "no such thing in it. Put what surrounds it into the snippet."
            )
        return None

    def _value(self, name: str, declared: Mapping[str, Any]) -> str:
        of_file = declared.get(name)
        if isinstance(of_file, SecretStr) and of_file.get_secret_value():
            return of_file.get_secret_value()
        value = next(filter(None, (_text(folder / name) for folder in self.folders)), None) or self.variables.get(name)
        if not value:
            files = " or ".join(str(folder / name) for folder in self.folders)
            raise Unresolved(
                f"refers to the secret {name!r}, which has no value: name it under `secrets`, write {files}, or set "
                f"{name}."
            )
        return value


def folder_references(folder: Path, environment: Mapping[str, str], secrets_path: Path) -> References:
    """The references of a definition in `folder`."""
    of_file = {name: value or "" for name, value in dotenv_values(folder / ".env").items()}
    return References({**of_file, **environment}, (secrets_path, RUN_SECRETS))


def _is_harmless(text: str) -> bool:
    """Whether a value is no secret: a number, a boolean, or a web URL without credentials and query."""
    if re.fullmatch(r"-?\d{0,8}(\.\d{0,8})?|true|false", text, re.IGNORECASE):
        return True
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and "@" not in parts.netloc and not parts.query


def _text(file: Path) -> str | None:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, ValueError):
        return None
