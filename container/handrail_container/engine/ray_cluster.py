"""Ray's environment variables, and a check that a cluster answers at RAY_ADDRESS.

Ray has no arguments for these variables, so they are set before it is imported. The check is made here because Ray
itself tries for minutes to reach a cluster.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from urllib.parse import urlsplit

_CONNECT_S = 2.0
_PORT = 6379
#: Values that name no address: Ray finds a cluster, or starts one.
_FOUND_BY_RAY = ("", "local", "auto")
#: No authentication, no usage reports, and the replicas' log lines passed through unchanged.
_DEFAULTS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "handrail_container.ray:front",
}


def prepare() -> None:
    """Set the variables that the user has not set. Ray's processes inherit them."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def is_installed() -> bool:
    return importlib.util.find_spec("ray") is not None


def address() -> str:
    """RAY_ADDRESS; empty if a cluster has to be started."""
    return os.environ.get("RAY_ADDRESS", "")


def names_a_cluster() -> bool:
    """Whether RAY_ADDRESS asks to join a cluster, or to find one."""
    return address() not in ("", "local")


def unreachable(address: str) -> str | None:
    """The beginning of a message if no cluster answers at `address`; the caller adds the consequence. Else None."""
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
