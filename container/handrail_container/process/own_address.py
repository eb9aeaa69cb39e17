"""Where a server that listens on `--host` can be asked from its own machine."""

from __future__ import annotations

import socket

#: Addresses that mean every one of the machine's, which some systems cannot be asked at.
_EVERY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def authority(host: str, port: int) -> str:
    """`host:port` as it stands in a URL."""
    name = _EVERY.get(host, host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def url(listening: socket.socket, key: str) -> str:
    """This server, for what it runs in processes of its own, which ask with `key`."""
    host, port, *_ = listening.getsockname()
    return f"http://:{key}@{authority(host, port)}"
