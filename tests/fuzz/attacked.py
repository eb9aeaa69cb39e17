"""A server that is attacked, with a fault planted in it or none; and how it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests import forked
from tests.fuzz.client import Patience
from tests.fuzz.corpus import SCRIPT
from tests.fuzz.judge import Judge, Outcome
from tests.fuzz.steps import Attack
from tests.servers import SCRIPTS, Served

_PLANTED = Path(__file__).with_name("planted.py")
#: After SIGTERM.
_ENDS_S = 30.0
#: What the log of a server has that is as it should be.
_NEVER = ("Traceback", "a bug in Handrail")


class Attacked(Served):
    """What it prints is read by nobody."""

    def __init__(self, log: Path, script: str | None = None, fault: str | None = None) -> None:
        if fault is not None:
            self.program = (_PLANTED, fault)
        self._unread = -1
        given = {"CUSTOM_SCRIPT_FILENAME": SCRIPT} if script else {}
        timeout = "15" if script else "5"
        super().__init__(
            SCRIPTS if script else log.parent,
            log,
            HANDRAIL_ENGINE="echo",
            HANDRAIL_DRAIN_S="1",
            HANDRAIL_INVOCATION_TIMEOUT_S=timeout,
            **given,
        )

    def _start(
        self, command: list[str | Path], given: Mapping[str, str], stdout: IO[str], stderr: IO[str]
    ) -> forked.Process:
        self._unread, writes = os.pipe()
        with os.fdopen(writes, "w") as nobody_reads:
            return super()._start(command, given, nobody_reads, stderr)

    def end(self, outcome: Outcome) -> None:
        """Asked to, unless it is beyond help; what is wrong then, or was with its log, is added to `outcome`."""
        self.http.close()
        try:
            if outcome.is_over:
                self.process.kill()
            self.signal()
            code = self.process.wait(_ENDS_S)
            if code and not outcome.is_over:
                outcome.faults.append(f"the end: the exit status is {code}")
        except subprocess.TimeoutExpired:
            outcome.faults.append(f"the end: it goes on {_ENDS_S:g} s after SIGTERM")
            self.process.kill()
            self.process.wait()
        finally:
            for connection in outcome.staying:
                connection.close()
            os.close(self._unread)
        for word in _NEVER:
            _, *found = self.stderr.split(word)
            outcome.faults += [f"the log: {word}{rest[:2000]}" for rest in found[:3]]


def attack(
    folder: Path, attacks: Sequence[Attack], mutated: Sequence[Attack], patience: Patience, fault: str | None = None
) -> Outcome:
    """All of them, at servers of their own in `folder`: the named ones in turn, then the others together."""
    total = Outcome()
    for script in (None, SCRIPT):
        named = [one for one in attacks if one.script == script]
        others = mutated if script is None else ()
        if (named or others) and not total.is_over:
            _add(total, _attacked(folder / f"{script}.log", script, named, others, patience, fault))
    return total


def _attacked(
    log: Path,
    script: str | None,
    named: Sequence[Attack],
    others: Sequence[Attack],
    patience: Patience,
    fault: str | None,
) -> Outcome:
    served = Attacked(log, script, fault)
    outcome = Outcome()
    try:
        served.ready()
        outcome = asyncio.run(_judged(served, named, others, patience))
    finally:
        served.end(outcome)
    return outcome


async def _judged(served: Served, named: Sequence[Attack], others: Sequence[Attack], patience: Patience) -> Outcome:
    judge = Judge(served.port, served.process.pid, patience, at_once=250)
    await judge.in_turn(named)
    if others and not judge.outcome.is_over:
        await judge.together(others)
    return judge.outcome


def _add(total: Outcome, one: Outcome) -> None:
    total.statuses += one.statuses
    total.silent += one.silent
    total.kept += one.kept
    total.waiting += one.waiting
    total.faults += one.faults
    total.is_over |= one.is_over
    total.slowest_ping_s = max(total.slowest_ping_s, one.slowest_ping_s)
    total.grown_mb = max(total.grown_mb, one.grown_mb)
