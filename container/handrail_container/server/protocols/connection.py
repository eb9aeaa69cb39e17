"""The protocol class of clients' HTTP connections.

Only the self-check imports this module: with an incompatible uvicorn the import itself may fail.
"""

from __future__ import annotations

import fcntl
import termios

from handrail_container.server.protocols.http import LimitedProtocol


class Connection(LimitedProtocol):
    """A `LimitedProtocol` that also reports a disconnect to the requests' exchanges at once."""

    def shutdown(self) -> None:
        """Keep a connection whose next request has arrived unread, to answer it; uvicorn would reset it."""
        if not self._has_unread():
            super().shutdown()

    def _has_unread(self) -> bool:
        if self._held:
            return True
        waiting = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
        return any(waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for cycle in self.unanswered():
            if exchange := cycle.scope["state"].get("handrail.exchange"):
                exchange.leave()
