"""Names the files in which sessions keep values."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

#: Bytes of a file's name, without `.json`.
_LONGEST_NAME = 250


def file_name(key: str) -> str:
    """The name of a key's file. It leads out of no folder, and no two keys share one: keys are quoted, and long ones
    are hashed, with a first character that no quoted key has."""
    if len(key) <= _LONGEST_NAME:
        name = quote(key, safe="", errors="surrogatepass")
        if len(name) <= _LONGEST_NAME:
            return f"{name}.json"
    return f"={hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.json"
