"""The check of `Origin`: the pages that may open a WebSocket from a browser, or change the adapters.

A browser lets any page open a WebSocket to any host, with the user's cookies and from the user's network, and sends
the page's origin in `Origin`. Other clients send no `Origin`, or that of the server itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from handrail_container.http.envelope import Failure
from handrail_container.settings.limits import ANY


class Origins:
    """The origins of `HANDRAIL_ALLOWED_ORIGINS`, and the server's own."""

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._allowed = frozenset(origin.lower() for origin in allowed)

    def refusal(self, headers: Mapping[bytes, bytes], what: str = "no WebSocket") -> Failure | None:
        """The error for a page whose origin is not allowed; else None. `what` begins the message."""
        given = headers.get(b"origin")
        if given is None or ANY in self._allowed:
            return None
        _, _, host = given.lower().partition(b"://")
        is_own = bool(host) and host == headers.get(b"host", b"").lower()
        named = given.decode("latin-1")
        if is_own or named.lower() in self._allowed:
            return None
        return Failure(403, f"{what} for pages of {named[:100]!r}: HANDRAIL_ALLOWED_ORIGINS does not name it")
