"""The program of a worker's process: it loads a snippet, then answers one call after another.

It is started often, so it imports little: no framework, no engine, and large modules of Python's own only when needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import socket
import sys

from handrail_container.program.workers import wire
from handrail_container.program.workers.asking import ASK
from handrail_container.program.workers.snippet import LoadedSnippet, refusal

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer until the parent closes the connection."""
    connection = _connection()
    _die_with_parent()
    _report_line()
    incoming = connection.makefile("rb")
    definition = wire.read(incoming)
    if definition is None:
        return
    try:
        program = LoadedSnippet(definition.text, definition.fields)
    except BaseException as error:  # noqa: BLE001  a snippet may raise anything when it is imported
        connection.sendall(refusal(error, definition.fields))
        return
    connection.sendall(wire.pack({"is": "ready"}))
    process = os.getpid()
    while (call := wire.read(incoming)) is not None:
        answer = program.answer(call)
        if os.getpid() != process:  # a child that the snippet forked has returned here: only the parent answers
            os._exit(0)
        connection.sendall(answer)


def _connection() -> socket.socket:
    """The connection, moved from standard input so that the snippet cannot read it by accident. Empties stdin."""
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return connection


def _report_line() -> None:
    """On the signal and in a crash, write the running line to the pipe whose descriptor is the argument."""
    sink = int(sys.argv[1])
    os.set_inheritable(sink, False)
    faulthandler.enable(sink, all_threads=False)
    faulthandler.register(ASK, sink, all_threads=False)


def _die_with_parent() -> None:
    """End this process with its parent, also during a call. Outside Linux it ends after the call, on EOF."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
