"""Timeouts of a WebSocket's client: for reading our output, for its pong, and for the end of the connection.

Connections have no timers of their own: the listener checks all of them once a second.
"""

from __future__ import annotations

import math
from enum import Enum

#: Seconds without reading any of our output after which a client is disconnected.
UNREAD_S = 60.0
#: Most seconds that count between two checks: while the event loop is blocked, no client can be heard.
_LONGEST_LOOK_S = 2.0


class Due(Enum):
    """The action that is due for a client."""

    NOTHING = "it is in time"
    CUT = "it takes nothing, or does not go"
    PING = "it is to show that it is there"
    SILENT = "it has not shown it"


class Patience:
    """`ping_s` is the seconds between pings, `pong_s` the seconds for a pong; None disables either."""

    def __init__(self, ping_s: float | None, pong_s: float | None) -> None:
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._clock = self._looked_at = 0.0
        self._heard_at = self._pinged_at = self._unread_at = 0.0
        self._unread = 0
        self._ends_at = math.inf
        self._awaits_pong = False

    def open(self) -> None:
        """Ping the client from now on."""
        self._pinged_at = self._clock

    def hear(self) -> None:
        """Data of any kind counts as a sign of life: a pong may have to wait behind a large message."""
        self._heard_at, self._awaits_pong = self._clock, False

    def end_within(self, seconds: float) -> None:
        """Cut the connection after `seconds`, but not before a slow client has read the rest of our output."""
        self._ends_at = self._clock + seconds

    def check(self, now: float, unread: int, *, is_open: bool, is_read: bool) -> Due:
        self._clock += min(now - self._looked_at, _LONGEST_LOOK_S)
        self._looked_at = now
        if not unread or unread != self._unread:
            self._unread, self._unread_at = unread, self._clock
        if self._clock - self._unread_at > UNREAD_S or (self._clock > self._ends_at and not unread):
            return Due.CUT
        if not is_read:
            self._heard_at = self._clock  # we have paused reading: it may have sent something
        # A ping to a client that does not read would only add to its unread output.
        return self._about_pings(self._ping_s) if is_open and self._ping_s and not unread else Due.NOTHING

    def _about_pings(self, interval_s: float) -> Due:
        if self._awaits_pong and self._pong_s:
            is_late = self._clock - max(self._heard_at, self._pinged_at) > self._pong_s
            return Due.SILENT if is_late else Due.NOTHING
        if self._clock - self._pinged_at < interval_s:
            return Due.NOTHING
        self._pinged_at, self._awaits_pong = self._clock, True
        return Due.PING
