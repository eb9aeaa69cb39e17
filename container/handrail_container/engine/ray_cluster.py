"""What Ray reads from the environment, and whether there is a cluster where RAY_ADDRESS says.

There is no argument for the variables, so they are set before Ray is imported. Ray itself tries for minutes to reach a
cluster.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from urllib.parse import urlsplit

_CONNECT_S = 2.0
_PORT = 6379
#: Addresses that are none: Ray finds a cluster, or starts one.
_FOUND_BY_RAY = ("", "local", "auto")
#: Nothing of it calls home, or writes there; its log is that of the replicas, line by line.
_DEFAULTS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "handrail_container.ray:front",
}


def prepare() -> None:
    """Set what the user has not set. Ray's processes inherit it."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def is_installed() -> bool:
    return importlib.util.find_spec("ray") is not None


def address() -> str:
    """The cluster there is; empty where one has to be started."""
    return os.environ.get("RAY_ADDRESS", "")


def names_a_cluster() -> bool:
    """Whether there is one to join, or to be found."""
    return address() not in ("", "local")


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
