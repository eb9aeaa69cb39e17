"""Logs when the process has no file descriptors left: the system then silently resets new connections."""

from __future__ import annotations

import logging
import os
import resource

logger = logging.getLogger("handrail")


class OpenFiles:
    """Logs once that no descriptor is left, and once that this is over. `check` is called about once a second."""

    def __init__(self) -> None:
        self._are_too_many = False

    def check(self) -> None:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if not self._are_too_many:
                limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
                self._are_too_many = True
                logger.error("new connections are reset: %s (ulimit -n is %d; raise it)", error.strerror, limit)
        else:
            if self._are_too_many:
                self._are_too_many = False
                logger.warning("new connections are accepted again: there are files to open")
