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
    instead = "write the head's host:port, or unset it"
    try:
        place = urlsplit(f"//{address.removeprefix('//')}")
        host, port = place.hostname, place.port or _PORT
    except ValueError:
        return f"RAY_ADDRESS is {address!r}, whose port is no number up to 65535: {instead}"
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return None
    except (OSError, ValueError) as error:
        return f"RAY_ADDRESS is {address!r}, and no cluster answers there ({error}): {instead}"
