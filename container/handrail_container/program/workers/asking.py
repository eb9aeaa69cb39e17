"""The signal that asks a worker's process for the line it is running, shared by server and worker."""

from __future__ import annotations

import signal

#: Asks a worker's process for its current line. Snippets do not use this signal.
ASK = getattr(signal, "SIGRTMIN", signal.SIGUSR2)
