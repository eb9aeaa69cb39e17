"""Where the coroutines of a script run that calls blocking methods in `async def`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from handrail.adoption.loops import Loops
from handrail.adoption.own_loop import OwnLoop
from handrail.adoption.sharing import Sharing


@dataclass(frozen=True)
class ScriptLoop:
    """`loop` is the one for all coroutines that may share something; `loops` has one for each request that does not.

    `blocking` is the `file:line` of a blocking call.
    """

    blocking: str
    sharing: Sharing
    loop: OwnLoop = field(default_factory=OwnLoop)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loops", Loops(self.loop))

    loops: Loops = field(init=False)

    @property
    def sentence(self) -> str:
        how = "their requests run one at a time, as they may share"
        told = f"{how} {self.sharing.state}" if self.sharing.state else "each request has one, as they share nothing"
        return f"the script's coroutines run on an event loop of their own, as {self.blocking} blocks it; {told}"

    async def stop(self) -> None:
        await asyncio.gather(self.loop.stop(), self.loops.stop())
