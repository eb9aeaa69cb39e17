"""Charsets that a client may name, and that would take the server too long."""

from __future__ import annotations

#: Python decodes these in time that grows with the square of the text.
_SLOW = (b"punycode", b"idna")


def names_slow_charset(header: bytes) -> bool:
    """Whether a Content-Type names one. A backslash in a quoted value stands for the character after it."""
    plain = header.lower().replace(b"\\", b"")
    return b"charset*" in plain or any(name in plain for name in _SLOW)
