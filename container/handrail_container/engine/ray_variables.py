"""What Ray reads from the environment. There is no argument for these, so they are set before it is imported."""

from __future__ import annotations

import importlib.util
import os

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
