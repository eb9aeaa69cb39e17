"""The bench runs, and what it writes can be read; what it finds is for an idle machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.__main__ import PARTS
from tests.bench.plot import svg
from tests.bench.table import Chart, Series, Table, verdict
from tests.compat.launchers import ROOT
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

BARS = Chart("CPU", "µs", [Series("CPU", [("Handrail", 2.0), ("another", 4.0)])])
LINES = Chart("Memory", "MB", [Series("a < b", [(1, 10.0), (100, 20.0)])], is_log=True)
TABLE = Table(
    "unary", "A title", "How.", ("server", "CPU"), [("ours", "1")], ["within: it"], ["gone\nfor long"], (BARS,)
)


@pytest.mark.skipif(not (shutil.which("wrk") and shutil.which("taskset")), reason="needs wrk and taskset")
@pytest.mark.timeout(2 * PATIENCE_S)
def test_it_measures_real_servers() -> None:
    """The quickest round there is, of two of them."""
    flags = ["--rounds", "1", "--seconds", "0.2", "--only", "ours,asgi", "--no-write"]
    command = [sys.executable, "-m", "tests.bench", "unary", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = re.findall(r"(?m)^\| (bare ASGI|Handrail).*?\| ([\d.]+) \|", done.stdout)
    assert [name for name, _ in rows] == ["bare ASGI", "Handrail"], done.stderr
    assert all(float(cpu) > 0 for _, cpu in rows)
    assert "of bare ASGI on uvicorn:" in done.stdout


def test_a_part_s_figures_replace_those_of_the_last_run(tmp_path: Path) -> None:
    """And nothing else in the document."""
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- bench: unary -->\nold\n<!-- bench: end of unary -->\nafter\n")
    for _ in range(2):
        report.write(TABLE, document)
    text = document.read_text()
    assert (text.startswith("before\n"), text.endswith("\nafter\n"), "old" in text) == (True, True, False)
    assert text.count("| ours | 1 |") == 1
    assert "- missing: gone\n" in text
    assert ET.parse(tmp_path / "performance-unary.svg").getroot().tag.endswith("svg")


def test_a_document_without_a_place_for_a_part_is_refused(tmp_path: Path) -> None:
    """Rather than lost."""
    document = tmp_path / "performance.md"
    document.write_text("<!-- bench: unary -->\n")
    with pytest.raises(ValueError, match="bench: end of unary"):
        report.write(TABLE, document)


def test_the_document_has_a_place_for_every_part() -> None:
    """Where the figures of the last run stand."""
    document = report.DOCUMENT.read_text()
    assert [part for part in PARTS if f"<!-- bench: {part} -->" not in document] == []


def test_charts_are_well_formed() -> None:
    """With their words escaped."""
    drawn = "".join(ET.fromstring(svg([BARS, LINES])).itertext())
    assert "a < b" in drawn
    assert "another" in drawn


@pytest.mark.parametrize(
    ("value", "at_least", "begins"), [(1.4, False, "within"), (1.6, False, "**over**"), (1.4, True, "**over**")]
)
def test_a_figure_is_held_against_its_budget(value: float, at_least: bool, begins: str) -> None:
    """A limit that may not be passed, or has to be reached."""
    assert verdict("it", value, 1.5, at_least=at_least).startswith(begins)
