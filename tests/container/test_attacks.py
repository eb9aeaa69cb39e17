"""Named attacks on a server of the echo engine: on its framing, its memory, its loop, its guard and its end.

Each is a process of its own, as what is attacked is the process: its memory, its loop, its exit status. All of it goes
over sockets, and asks nothing of the code behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.attacked import Attacked
from tests.fuzz.client import Patience
from tests.fuzz.corpus import ATTACKS, BY_NAME, ENDINGS
from tests.fuzz.judge import Judge, Outcome
from tests.fuzz.steps import Attack

#: Where others work beside it, who asks waits longer than by itself.
PATIENCE = Patience(quiet_s=1, late_s=15)
#: All of them share two servers.
pytestmark = pytest.mark.xdist_group("attacks")


class Servers:
    """One for each script. One that an attack has ended is none for the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._served: dict[str | None, Attacked] = {}

    def attacked_by(self, name: str) -> Outcome:
        script = BY_NAME[name].script
        if script not in self._served:
            self._served[script] = Attacked(self._folder / f"{script}.log", script)
        served = self._served[script]
        served.ready()
        judge = Judge(served.port, served.process.pid, PATIENCE)
        outcome = asyncio.run(judge.in_turn([BY_NAME[name]]))
        if outcome.is_over:
            self._served.pop(script).end(outcome)
        return outcome

    def end(self) -> list[str]:
        """What was wrong with their logs and ends."""
        outcome = Outcome()
        for served in self._served.values():
            served.end(outcome)
        self._served.clear()
        return outcome.faults


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("attacked"))
    yield servers
    assert servers.end() == []


@pytest.mark.parametrize("name", [one.name for one in ATTACKS if one not in ENDINGS])
def test_an_attack_does_no_harm(name: str, servers: Servers) -> None:
    """It is answered or hung up on; others are served all the while, and memory stays."""
    assert servers.attacked_by(name).faults == []


@pytest.mark.parametrize("attack", ENDINGS, ids=lambda attack: attack.name)
def test_a_connection_that_is_open_keeps_no_stop_from_its_order(tmp_path: Path, attack: Attack) -> None:
    """The exit status is 0."""
    served = Attacked(tmp_path / "log")
    served.ready()
    judge = Judge(served.port, served.process.pid, PATIENCE)
    outcome = asyncio.run(judge.in_turn([attack]))
    served.end(outcome)
    assert outcome.faults == []
