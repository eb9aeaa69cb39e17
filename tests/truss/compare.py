"""Runs the rows on Handrail and on Truss's own server, measures both, and writes docs/compatibility/truss.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.compat.compare import run, tell
from tests.compat.launchers import ROOT
from tests.compat.table import Outcome, Scenario
from tests.truss import bench, report
from tests.truss.launchers import OURS, truss
from tests.truss.rows import ALL

OUTPUT = ROOT / "docs" / "compatibility" / "truss.md"


def main() -> int:
    options = _options()
    theirs = truss(options.python)
    if options.only_rates:
        print(*report.speed(bench.compare(OURS, theirs, options.rounds)), sep="\n")
        return 0
    ours = run(OURS, ALL, at_a_time=options.at_a_time)
    of_theirs = run(theirs, ALL, at_a_time=options.at_a_time, expected=_of_theirs)
    if options.keep_rates:
        rates = report.kept_rates(OUTPUT.read_text())
    else:
        rates = "\n".join(report.speed(bench.compare(OURS, theirs, options.rounds)))
    measured = report.Measured(ours, of_theirs, rates)
    OUTPUT.write_text(report.document(measured, report.versions(options.python)))
    print(f"wrote {OUTPUT.relative_to(ROOT)}")
    return tell(OURS.name, measured.ours) + tell(theirs.name, measured.theirs) > 0


def _of_theirs(row: Scenario) -> Outcome:
    return row.expected_of_theirs


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/compare-truss", description=__doc__)
    parser.add_argument("--python", required=True, help="a Python that has Truss and what its server requires")
    parser.add_argument("--only-rates", action="store_true", help="print the requests a second, and write nothing")
    parser.add_argument(
        "--keep-rates", action="store_true", help="leave the requests a second as the document has them"
    )
    parser.add_argument("--at-a-time", type=int, default=2, metavar="N", help="servers at a time (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of the measurement (default: 5)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
