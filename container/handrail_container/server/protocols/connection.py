"""A client's connection, as the listener makes it.

Nothing imports this but the self-check: where uvicorn is not as it was, it may not even be importable.
"""

from __future__ import annotations

import fcntl
import termios

from handrail_container.server.protocols.http import LimitedProtocol


class Connection(LimitedProtocol):
    """A client's, which also tells a request at once that its client has left: nobody has to wait for it."""

    def shutdown(self) -> None:
        """Uvicorn's resets a connection whose next request has come and is not read yet; here it is answered."""
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
