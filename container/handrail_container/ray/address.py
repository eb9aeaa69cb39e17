"""Whether there is a cluster where RAY_ADDRESS says: Ray itself tries for minutes."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

_CONNECT_S = 2.0
_PORT = 6379
#: Addresses that are none: Ray finds a cluster, or starts one.
_FOUND_BY_RAY = ("", "local", "auto")


def unreachable(address: str) -> str | None:
    """A sentence where nobody answers there, to go on with what happens without it."""
    if address in _FOUND_BY_RAY or address.startswith("ray://"):
        return None
    place = urlsplit(f"//{address.removeprefix('//')}")
    try:
        with socket.create_connection((place.hostname, place.port or _PORT), _CONNECT_S):
            return None
    except (OSError, ValueError) as error:
        return (
            f"RAY_ADDRESS is {address!r}, and no cluster answers there ({error}): "
            "write the head's host:port, or unset it"
        )
