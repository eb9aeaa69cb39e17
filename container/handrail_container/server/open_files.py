"""Whether this process may open another file: where it may not, the system resets new connections without a word."""

from __future__ import annotations

import logging
import os
import resource

logger = logging.getLogger("handrail")


class OpenFiles:
    """To be looked at every second or so; says once that there are too many, and once that it is over."""

    def __init__(self) -> None:
        self._are_too_many = False

    def look(self) -> None:
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
