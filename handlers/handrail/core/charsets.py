"""Charsets that a client may name, and that would take the server too long."""

from __future__ import annotations

import codecs
import re

#: Python decodes these in time that grows with the square of the text.
_SLOW = (b"punycode", b"idna")


def names_slow_charset(header: bytes) -> bool:
    """Whether a Content-Type names one. A backslash in a quoted value stands for the character after it."""
    plain = header.lower().replace(b"\\", b"")
    return b"charset*" in plain or any(name in plain for name in _SLOW)


#: Those whose ASCII characters are ASCII's bytes and whose other characters are other bytes, and the wide ones of JSON.
_OF_JSON = re.compile(r"utf-(8(-sig)?|(16|32)(-[lb]e)?)|ascii|iso8859-\d+|cp125\d|koi8-[rtu]")


def is_of_json(charset: str) -> bool:
    """Whether JSON in `charset` is counted by the bounds on JSON, which look at its bytes. Raises LookupError."""
    return _OF_JSON.fullmatch(codecs.lookup(charset).name) is not None
