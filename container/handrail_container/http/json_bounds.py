"""Bounds on JSON, checked before it is parsed: the time to parse it depends on its values more than on its bytes.

The brackets, commas and colons outside of strings are counted as the body arrives, with fast methods of `bytes`. Very
long numbers are refused, because the time to parse them grows faster than their length. Code that gets JSON in another
way, such as in a string, calls `require_bounded`.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from fastapi import HTTPException

#: Bytes. Of a body of at most this size the depth alone is counted: it cannot exceed the other bounds, the smallest
#: that a setting allows.
UNCOUNTED = 4096
_PIECE = 65536
#: Bytes that may stand before a document: white space, and a byte order mark.
_BEFORE = b" \t\r\n\xef\xbb\xbf"
_NO_STRUCTURE = bytes(set(range(256)) - set(b'",:[]{}'))
_STEPS = dict(zip(b"[{]},:", (1, 1, -1, -1, 0, 0), strict=True))
#: The digits from which a number is refused. A parser of floats takes a hundred times as long for several hundred
#: digits as for a few.
_MOST_DIGITS = 400
_MANY_DIGITS = b"0" * (_MOST_DIGITS // 2 - 1)  # at least so many stand before the decimal point, or after it
_LONG = re.compile(rb"(?<![0-9.])[0-9.]{%d}" % _MOST_DIGITS)  # at a run's first digit only: there may be many
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
#: The number of bytes that determine the encoding of JSON.
_ENOUGH = 4


class JsonBounds(NamedTuple):
    """The most values, the most objects and arrays, and the deepest nesting of one document: `HANDRAIL_MAX_JSON_*`."""

    values: int
    objects: int
    depth: int


NO_BOUNDS = JsonBounds(sys.maxsize, sys.maxsize, sys.maxsize)


class BodyRefused(HTTPException):
    """A body exceeds a limit. It is an HTTPException because FastAPI, as it reads a body, takes any other exception for
    invalid JSON."""


class TooMuchJson(BodyRefused):
    """A document exceeds its bounds: 413 or 400."""

    def __init__(self, has: str, setting: str, limit: int, status: int = 413) -> None:
        self.has = f"{has}, and {setting} allows {limit:,}"
        super().__init__(status, f"the body has {self.has}", headers={"Connection": "close"})


class UnusualNumbers(BodyRefused):
    """A document has numbers that take a parser seconds: 400."""

    def __init__(self, has: str) -> None:
        self.has = has
        super().__init__(400, f"the body has {has}", headers={"Connection": "close"})


def require_bounded(document: bytes | str, bounds: JsonBounds) -> None:
    """Check a whole document. Raises TooMuchJson if it exceeds `bounds`, UnusualNumbers if a number is too long."""
    body = document.encode(errors="replace") if isinstance(document, str) else document
    if len(body) > UNCOUNTED or may_be_deep(body, bounds):
        JsonCount(bounds).add(body)


def may_be_deep(body: bytes, bounds: JsonBounds) -> bool:
    """Whether a body has more brackets than may be in each other."""
    return body.count(b"[") + body.count(b"{") > bounds.depth


def require_bounded_together(documents: Iterable[str], bounds: JsonBounds) -> None:
    """Check several documents: together they may have as many values and objects as `bounds` allows one document.

    Short documents are counted, too. Raises TooMuchJson, UnusualNumbers.
    """
    count = JsonCount(bounds)
    for document in documents:
        number = document.lstrip()[: _MOST_DIGITS + 1].removeprefix("-")[:_MOST_DIGITS]
        if len(number) == _MOST_DIGITS and not number.strip("0123456789."):  # JsonCount passes a number alone
            raise UnusualNumbers(f"a number of {_MOST_DIGITS} digits or more")
        count.begin()
        count.add(document.encode(errors="replace"))


class JsonCount:
    """The count of one document, which arrives in pieces, or of several.

    A document that does not begin as an object or an array is not counted, nor is what follows its end: a parser does
    not read that far.
    """

    __slots__ = (
        "_bounds",
        "_decoder",
        "_depth",
        "_first",
        "_has_begun",
        "_is_escaping",
        "_is_over",
        "_is_string",
        "_objects",
        "_values",
    )

    def __init__(self, bounds: JsonBounds) -> None:
        self._bounds = bounds
        self._values = self._objects = 0
        self.begin()

    def begin(self) -> None:
        """Begin the next document. Its values and objects are added to those of the documents before it."""
        self._first = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._has_begun = self._is_over = self._is_string = self._is_escaping = False
        self._depth = 0

    def add(self, body: bytes) -> None:
        """Count the next piece. Raises TooMuchJson, UnusualNumbers."""
        if len(self._first) < _ENOUGH:
            body = self._first + body
            self._first = body[:_ENOUGH]
            if len(body) < _ENOUGH:
                return
            self._decoder = _decoder(self._first)
        for begin in range(0, len(body), _PIECE):
            if self._is_over:
                return
            piece = body[begin : begin + _PIECE]
            if self._decoder is not None:
                piece = self._decoder.decode(piece).encode(errors="replace")
            if piece:  # else it was a part of one character
                self._add(piece)

    def _add(self, piece: bytes) -> None:
        if not self._has_begun:
            document = piece.lstrip(_BEFORE)
            self._is_over = document[:1] not in (b"", b"{", b"[")
            self._has_begun = bool(document)
            if self._is_over or not document:
                return
        self._require_usual_numbers(piece)
        structure = self._to_its_end(self._outside_of_strings(piece))
        opened = structure.count(b"[") + structure.count(b"{")
        self._objects += opened
        self._values += opened + structure.count(b",") + structure.count(b":")
        self._require()

    def _require_usual_numbers(self, piece: bytes) -> None:
        if _MANY_DIGITS not in piece.translate(_AS_ZEROS):  # the common case
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
        """The part of `structure` that belongs to the document. Raises TooMuchJson if it is nested too deeply."""
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


def _decoder(first: bytes) -> codecs.IncrementalDecoder | None:
    """The decoder of a document in UTF-16 or UTF-32, as a parser finds it by the first bytes; None for UTF-8."""
    encoding = json.detect_encoding(first)
    return None if encoding.startswith("utf-8") else codecs.getincrementaldecoder(encoding)(errors="replace")


def _has_odd_quotes(piece: bytes) -> bool:
    return piece.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"') % 2 == 1
