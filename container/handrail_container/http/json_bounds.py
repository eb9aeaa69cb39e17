"""Bounds on JSON before anybody parses it: a body costs its reader by its values, and not by its bytes.

The brackets, commas and colons outside of strings are counted as the body arrives, at the speed of C. Numbers that cost
more than their digits are refused: those that are long. Whoever parses JSON that came another way asks
`require_bounded`.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from fastapi import HTTPException

#: No body of so few bytes is worth counting. The smallest bound that a setting takes is larger.
UNCOUNTED = 4096
_PIECE = 65536
#: What may stand before a document: white space, and the mark of its encoding.
_BEFORE = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"
_NO_STRUCTURE = bytes(set(range(256)) - set(b'",:[]{}'))
_STEPS = dict(zip(b"[{]},:", (1, 1, -1, -1, 0, 0), strict=True))
#: Digits of a number. One of several hundred takes a reader of floats a hundred times as long as a short one.
_MOST_DIGITS = 400
_MANY_DIGITS = b"0" * (_MOST_DIGITS // 2 - 1)  # at least so many stand before or after its point
_LONG = re.compile(rb"(?<![0-9.])[0-9.]{%d}" % _MOST_DIGITS)  # from the first digit alone: runs may be many
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
#: So many bytes tell in which encoding JSON is.
_ENOUGH = 4


class JsonBounds(NamedTuple):
    """How much a JSON document may hold, as `HANDRAIL_MAX_JSON_*` say."""

    values: int
    objects: int
    depth: int


NO_BOUNDS = JsonBounds(sys.maxsize, sys.maxsize, sys.maxsize)


class TooMuchJson(HTTPException):
    """FastAPI's own kind, which it passes on where it reads the body."""

    def __init__(self, has: str, setting: str, limit: int, status: int = 413) -> None:
        message = f"the body has {has}, and {setting} allows {limit:,}"
        super().__init__(status, message, headers={"Connection": "close"})


class UnusualNumbers(HTTPException):
    """They take a parser seconds."""

    def __init__(self, has: str) -> None:
        super().__init__(400, f"the body has {has}", headers={"Connection": "close"})


def require_bounded(document: bytes | str, bounds: JsonBounds) -> None:
    """Raises TooMuchJson where the document is beyond `bounds`."""
    if len(document) <= UNCOUNTED:
        return
    JsonCount(bounds).add(document.encode(errors="replace") if isinstance(document, str) else document)


class JsonCount:
    """Of one document, which comes in pieces. What does not begin as an object or an array is not counted, nor what
    follows the end of one: no parser gets that far."""

    __slots__ = (
        "_bounds",
        "_depth",
        "_first",
        "_has_begun",
        "_is_escaping",
        "_is_over",
        "_is_string",
        "_is_wide",
        "_objects",
        "_values",
    )

    def __init__(self, bounds: JsonBounds) -> None:
        self._bounds = bounds
        self._first = b""
        self._has_begun = self._is_over = self._is_wide = self._is_string = self._is_escaping = False
        self._depth = self._values = self._objects = 0

    def add(self, body: bytes) -> None:
        """Raises TooMuchJson."""
        if len(self._first) < _ENOUGH:
            body = self._first + body
            self._first = body[:_ENOUGH]
            if len(body) < _ENOUGH:
                return
            self._is_wide = b"\0" in self._first or self._first[0] in b"\xfe\xff"
        for begin in range(0, len(body), _PIECE):
            if self._is_over:
                return
            self._add(body[begin : begin + _PIECE])

    def _add(self, piece: bytes) -> None:
        if not self._has_begun:
            document = piece.lstrip(_BEFORE)
            self._is_over = document[:1] not in (b"", b"{", b"[")
            self._has_begun = bool(document)
            if self._is_over or not document:
                return
        self._require_usual_numbers(piece)
        structure = piece if self._is_wide else self._to_its_end(self._outside_of_strings(piece))
        opened = structure.count(b"[") + structure.count(b"{")
        self._objects += opened
        self._values += opened + structure.count(b",") + structure.count(b":")
        self._require()

    def _require_usual_numbers(self, piece: bytes) -> None:
        if self._is_wide:
            piece = piece.replace(b"\0", b"")
        if _MANY_DIGITS not in piece.translate(_AS_ZEROS):  # as in nearly all
            return
        is_string, at = self._is_string, int(self._is_escaping)
        for long in _LONG.finditer(piece):
            is_string ^= _has_odd_quotes(piece[at : long.start()])
            at = long.start()
            if not is_string:
                raise UnusualNumbers(f"a number of {_MOST_DIGITS} digits or more")

    def _outside_of_strings(self, piece: bytes) -> bytes:
        if self._is_escaping:
            piece = piece[1:]
            self._is_escaping = False
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
            self._is_escaping = piece.endswith(b"\\")
        parts = piece.translate(None, _NO_STRUCTURE).split(b'"')
        outside = b"".join(parts[int(self._is_string) :: 2])
        self._is_string ^= len(parts) % 2 == 0
        return outside

    def _to_its_end(self, structure: bytes) -> bytes:
        """As much of it as belongs to the document. Raises TooMuchJson where that is too deep."""
        depth, most = self._depth, self._bounds.depth
        for index, sign in enumerate(structure if structure.translate(None, b",:") else b""):
            depth += _STEPS[sign]
            if depth > most:
                raise TooMuchJson(f"brackets more than {most:,} deep", "HANDRAIL_MAX_JSON_DEPTH", most, 400)
            if depth <= 0:
                self._is_over = True
                return structure[: index + 1]
        self._depth = depth
        return structure

    def _require(self) -> None:
        values, objects, _ = self._bounds
        if self._values > values:
            raise TooMuchJson(f"{self._values:,} values or more", "HANDRAIL_MAX_JSON_VALUES", values)
        if self._objects > objects:
            raise TooMuchJson(f"{self._objects:,} objects and arrays or more", "HANDRAIL_MAX_JSON_OBJECTS", objects)


def _has_odd_quotes(piece: bytes) -> bool:
    return piece.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"') % 2 == 1
