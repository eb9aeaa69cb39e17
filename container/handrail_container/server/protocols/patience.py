"""How long the client of a WebSocket may keep us waiting.

Nothing is timed for a connection by itself: the listener looks at all of them once a second.
"""

from __future__ import annotations

import math
from enum import Enum

#: Seconds without taking any of what we have for it, after which a client is cut off.
UNREAD_S = 60.0
#: Between two looks no more time counts than this: while the loop is blocked, nobody can be heard.
_LONGEST_LOOK_S = 2.0


class Due(Enum):
    """What is to be done about a client."""

    NOTHING = "it is in time"
    CUT = "it takes nothing, or does not go"
    PING = "it is to show that it is there"
    SILENT = "it has not shown it"


class Patience:
    """`ping_s` and `pong_s` are the seconds between pings, and for a pong; None for no bound."""

    def __init__(self, ping_s: float | None, pong_s: float | None) -> None:
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._clock = self._looked_at = 0.0
        self._heard_at = self._pinged_at = self._unread_at = 0.0
        self._unread = 0
        self._ends_at = math.inf
        self._awaits_pong = False

    def open(self) -> None:
        """It is to be pinged from now on."""
        self._pinged_at = self._clock

    def hear(self) -> None:
        """Whatever comes shows that a client lives: its pong may have to wait for the end of a large message."""
        self._heard_at, self._awaits_pong = self._clock, False

    def end_within(self, seconds: float) -> None:
        """All is said; a client that reads slowly has the time it needs to read it."""
        self._ends_at = self._clock + seconds

    def look(self, now: float, unread: int, *, is_open: bool, is_read: bool) -> Due:
        self._clock += min(now - self._looked_at, _LONGEST_LOOK_S)
        self._looked_at = now
        if not unread or unread != self._unread:
            self._unread, self._unread_at = unread, self._clock
        if self._clock - self._unread_at > UNREAD_S or (self._clock > self._ends_at and not unread):
            return Due.CUT
        if not is_read:
            self._heard_at = self._clock  # it may have spoken
        # A ping to who does not read would only be more that is unread.
        return self._about_pings(self._ping_s) if is_open and self._ping_s and not unread else Due.NOTHING

    def _about_pings(self, interval_s: float) -> Due:
        if self._awaits_pong and self._pong_s:
            is_late = self._clock - max(self._heard_at, self._pinged_at) > self._pong_s
            return Due.SILENT if is_late else Due.NOTHING
        if self._clock - self._pinged_at < interval_s:
            return Due.NOTHING
        self._pinged_at, self._awaits_pong = self._clock, True
        return Due.PING
