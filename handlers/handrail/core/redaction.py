"""Redaction of secrets: values are registered where they are read, and masked where text is written."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

#: Shorter values are not masked: they would match parts of ordinary words.
SHORTEST = 4
MASK = "***"
_SECRET_WORDS = frozenset({"TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS", "APIKEY"})
#: The one KEY that is no secret: the name of a model.
_MODEL_KEY = ("MODEL", "KEY")


class Redactor:
    """A function of a text that masks the registered values in it, in all common encodings."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, value: object) -> None:
        """Mask `value` from now on, in all threads. Values that are no text, or shorter than SHORTEST, are ignored."""
        if not isinstance(value, str):
            return
        new = {text for text in _spellings(value.strip()) if len(text) >= SHORTEST} - self._spellings
        if new:
            self._spellings = self._spellings | new
            longest_first = sorted(self._spellings, key=lambda text: (-len(text), text))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def within(self, value: Any) -> Any:
        """`value` with every text masked, inside mappings, lists and tuples; other objects unchanged."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(name) if isinstance(name, str) else name: self.within(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.within(item) for item in value]
        return value


def _spellings(value: str) -> Iterator[str]:
    """The value itself, and as repr, JSON, JSON of repr, URL, HTML, shell, hex and base64; each line of several."""
    octets = value.encode(errors="surrogatepass")
    yield value
    yield from (repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(repr(value)[1:-1])[1:-1])
    yield from (quote(octets, safe=""), quote(octets), quote_plus(octets))
    yield from (html.escape(value), html.escape(value, quote=False), shlex.quote(value).strip("'"))
    yield from (octets.hex(), octets.hex().upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(octets).decode().rstrip("=")
    if "\n" in value:
        yield from (line.strip() for line in value.splitlines())


def is_secret(name: str) -> bool:
    """Whether a variable or field of this name holds a secret, judged by its words in any case."""
    words = re.split(r"[^A-Z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper())
    return not _SECRET_WORDS.isdisjoint(words) or ("KEY" in words and tuple(words[-2:]) != _MODEL_KEY)
