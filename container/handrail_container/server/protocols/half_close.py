"""The end of what we write on a connection, while what its client still sends is thrown away."""

from __future__ import annotations

import asyncio


def end_writing(transport: asyncio.Transport) -> None:
    """Send what has been written, then the end. A client that is gone is not waited for: nothing is raised."""
    if transport.is_closing():
        return
    try:
        transport.write_eof()
    except OSError:  # it hung up after the event loop looked last, and the system knows already
        transport.abort()
