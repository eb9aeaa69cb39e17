"""Values that nobody may read: whoever learns a secret registers it here, and whoever writes asks before writing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

#: A shorter value is left alone: it would be found in every other word.
SHORTEST = 4
MASK = "***"
_SECRET_WORDS = frozenset({"TOKEN", "KEY", "SECRET", "PASSWORD"})


class Redactor:
    """Called with a text, it gives the text without the registered values, however they are spelt."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, value: object) -> None:
        """From now on; in thread and out of it. What is no text, or shorter than SHORTEST, is not hidden."""
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
        """`value` with every text in it so, if it is made of mappings, lists and tuples; other objects as they are."""
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
    """As it is, as `repr` and JSON write it, as an address has it; of several lines, each."""
    yield value
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    if "\n" in value:
        yield from (line.strip() for line in value.splitlines())


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds what nobody may read."""
    return not _SECRET_WORDS.isdisjoint(name.split("_"))
