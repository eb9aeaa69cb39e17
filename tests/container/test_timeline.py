from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from handrail_container.process.timeline import Timeline, process_began

from tests.servers import SCRIPTS, Served

_READY = re.compile(r"ready after ([\d.]+) s on port \d+: (.+)")


def parts_of(line: str) -> dict[str, float]:
    return {name: float(seconds) for name, seconds in re.findall(r"(\D+) ([\d.]+)(?:, |$)", line)}


class Anew(Served):
    may_fork = False  # what its process took is in the line


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    given = {"CUSTOM_SCRIPT_FILENAME": "sync_handler.py", "HANDRAIL_ECHO_LOAD_S": "0.6"}
    served = Anew(SCRIPTS, tmp_path / "log", "--engine", "echo", **given)
    yield served
    served.stop()


def test_a_start_says_what_took_how_long(served: Served) -> None:
    """In one line, and the parts are all there was: none is left out, and none counted twice."""
    served.says("ready after")
    waited = time.monotonic() - served.began
    found = _READY.search(served.stderr)
    assert found is not None
    total, parts = float(found[1]), parts_of(found[2])
    assert list(parts) == ["process", "script", "imports", "engine", "first token", "handlers"]
    assert sum(parts.values()) == pytest.approx(total, abs=0.06 * len(parts))  # each is rounded
    assert parts["process"] > 0
    assert parts["engine"] >= 0.6
    assert total <= waited + 0.1


def test_a_part_that_comes_again_goes_on() -> None:
    """The script loads on after its requirements were installed."""
    timeline = Timeline()
    for part in ("script", "requirements", "script"):
        timeline.begin(part)
    assert list(parts_of(timeline.summary("").partition(": ")[2])) == ["process", "script", "requirements"]


def test_the_process_began_when_the_system_says() -> None:
    """Which knows to the second, by another clock."""
    age_s = time.monotonic() - process_began()
    assert age_s == pytest.approx(time.time() - psutil.Process().create_time(), abs=2)


@pytest.mark.parametrize("written", [None, "", "1 (a b) S 1 2 3", "1 (a b) " + "x " * 30])
def test_where_the_system_does_not_tell_the_process_began_now(tmp_path: Path, written: str | None) -> None:
    """No such file, or none that can be read."""
    stat = tmp_path / "stat"
    if written is not None:
        stat.write_text(written)
    assert time.monotonic() - process_began(stat) < 1
