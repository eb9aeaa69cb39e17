"""Times that a client of HTTP may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """What a client may take.

    `head_s` is the seconds from the connection to its first request, and from the start of any request's head to its
    end. After `unread_s` seconds without reading any of its answer a client is disconnected. The rest of a body whose
    request is answered may take `rest_s`, as may what comes once we have ended a connection. Connections are checked
    each `check_ticks` tenths of a second.
    """

    head_s: float = 10.0
    unread_s: float = 60.0
    check_ticks: int = 10
    rest_s: float = 5.0


DEFAULT_TIMEOUTS = Timeouts()
