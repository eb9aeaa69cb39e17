"""What an attack is made of: the steps that a client takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Send:
    """`data`, so many times. A client that is not read from for `patience_s` gives up, and goes on with its steps."""

    data: bytes | Callable[[], bytes]
    times: int = 1
    patience_s: float = 20


@dataclass(frozen=True)
class Hear:
    """Read until this has been said."""

    said: bytes


@dataclass(frozen=True)
class Pause:
    seconds: float = 0.05


@dataclass(frozen=True)
class HalfClose:
    """Nothing more will be sent."""


@dataclass(frozen=True)
class Leave:
    """The connection is reset."""


@dataclass(frozen=True)
class Stay:
    """The connection is open, and unread, until the server has stopped."""


Step = Send | Hear | Pause | HalfClose | Leave | Stay


@dataclass(frozen=True)
class Attack:
    """`statuses` are those of the answers, where they are known. `script` is what serves, of `tests/scripts`; None for
    no script. `blocks`: its handler blocks the loop, so that only `/ping` is answered meanwhile. `later` is what
    another client says, which comes OTHER_S after it. A client that does not `reads` hears nothing.
    `grown_mb`: so much more memory is too much."""

    name: str
    steps: tuple[Step, ...]
    statuses: tuple[int, ...] | None = None
    script: str | None = None
    blocks: bool = False
    later: bytes = b""
    reads: bool = True
    grown_mb: float = 250

    @property
    def plain(self) -> bytes | None:
        """All of it as bytes, where it is nothing but bytes and few: what can be mutated."""
        sends = [step for step in self.steps if not isinstance(step, Pause)]
        parts = [step.data for step in sends if isinstance(step, Send) and isinstance(step.data, bytes)]
        is_all = len(parts) == len(sends) and all(isinstance(step, Send) and step.times == 1 for step in sends)
        return b"".join(parts) if is_all and not self.script else None
