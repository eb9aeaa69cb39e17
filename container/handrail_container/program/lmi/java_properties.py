"""Reads the text of a Java properties file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = " \t\f"
_LINE_END = re.compile(r"\r\n|\n|\r")
#: A key, what separates it, and a value; a backslash takes the next character's meaning away.
_PAIR = re.compile(r"(?s)((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)")
_ESCAPE = re.compile(r"(?s)\\(u[0-9a-fA-F]{4}|.)")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True)
class Property:
    """`line` is that on which the key begins, from 1 on."""

    key: str
    value: str
    line: int


class MalformedProperties(Exception):
    """The text is not of that form. `line` is where."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def parse(text: str) -> list[Property]:
    """The properties in their order, without spaces around the values. Raises MalformedProperties."""
    return [_property(number, line) for number, line in _logical_lines(text)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that have a property, each with its number. A line that ends in a backslash goes on in the next."""
    begun: str | None = None
    number = 0
    for at, line in enumerate(_LINE_END.split(text), 1):
        line = line.lstrip(_SPACE)
        if begun is None:
            if not line or line[0] in "#!":
                continue
            begun, number = "", at
        goes_on = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        begun += line[:-1] if goes_on else line
        if not goes_on:
            yield number, begun
            begun = None
    if begun is not None:
        yield number, begun


def _property(number: int, line: str) -> Property:
    found = _PAIR.fullmatch(line)
    assert found is not None  # the pattern takes any text
    key, value = (_ESCAPE.sub(lambda one: _meant(one[1], number), part) for part in found.groups())
    return Property(key, value.strip(), number)


def _meant(escaped: str, number: int) -> str:
    if len(escaped) > 1:
        return chr(int(escaped[1:], 16))
    if escaped == "u":
        raise MalformedProperties(
            number, r"has \u without four hexadecimal digits: write them, or \\ for a backslash itself"
        )
    return _CONTROLS.get(escaped, escaped)
