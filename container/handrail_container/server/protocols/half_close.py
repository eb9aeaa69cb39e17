"""Half-closes a connection: we stop writing, while the client may still send."""

from __future__ import annotations

import asyncio


def end_writing(transport: asyncio.Transport) -> None:
    """Flush what was written, then send EOF. If the client is gone, the connection is aborted and nothing is raised."""
    if transport.is_closing():
        return
    try:
        transport.write_eof()
    except OSError:  # the client hung up, and the event loop has not noticed yet
        transport.abort()
