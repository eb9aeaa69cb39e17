"""Warns once in the log about return values that the script's author may not have meant; they are still answered."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("handrail")

_NOTHING = "returned nothing, which is answered as JSON's null: is a `return` missing?"
_PAIR = (
    "returned a tuple of an answer and a status, which is answered as a JSON list with status 200: return "
    "JSONResponse(answer, {0}) (starlette.responses), or raise HTTPException({0}, …) (fastapi)"
)
_STATUSES = range(100, 600)


class Remarks:
    """The warnings of one handler, defined at `where` (`file:line`)."""

    def __init__(self, name: str, where: str) -> None:
        self._who = f"{name} ({where})"
        self._said: set[str] = set()

    def check(self, value: Any) -> None:
        """Check a return value that is None or a tuple."""
        if value is None:
            self._say(_NOTHING)
        elif len(value) == 2 and type(value[1]) is int and value[1] in _STATUSES:
            self._say(_PAIR.format(value[1]))

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning("%s %s", self._who, what)
