"""The address at which a server that listens on `--host` is reached from its own machine."""

from __future__ import annotations

import socket

#: Wildcard addresses, to which some systems cannot connect, and the address to use instead.
_EVERY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def authority(host: str, port: int) -> str:
    """`host:port` as it stands in a URL."""
    name = _EVERY.get(host, host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def url(listening: socket.socket, key: str) -> str:
    """This server's URL for the processes that it starts itself, with `key` as the password."""
    host, port, *_ = listening.getsockname()
    return f"http://:{key}@{authority(host, port)}"
