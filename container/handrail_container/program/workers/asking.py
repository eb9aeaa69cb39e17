"""What both sides of a worker know of asking where it is."""

from __future__ import annotations

import signal

#: Asks a worker's process which line it is at. Not one that snippets use.
ASK = getattr(signal, "SIGRTMIN", signal.SIGUSR2)
