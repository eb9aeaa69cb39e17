"""Runs the table on Handrail and on the AWS library, and writes what each did to docs/compatibility/aws.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.compat import report
from tests.compat.launchers import HANDRAIL_ECHO, ROOT, VLLM, Launcher, aws_library
from tests.compat.observe import Observed, differences, observe
from tests.compat.scenarios import ALL
from tests.compat.table import Outcome, Scenario

OUTPUT = ROOT / "docs" / "compatibility" / "aws.md"


def main() -> int:
    options = _options()
    ours = run(HANDRAIL_ECHO, ALL, at_a_time=options.at_a_time)
    shared = [scenario for scenario in ALL if not scenario.is_ours_alone]
    theirs = run(aws_library(), shared, at_a_time=options.at_a_time, expected=_of_theirs)
    newest, vllm = None, None
    if options.newest is not None:
        library = aws_library(options.newest, options.newest_path)
        newest = run(library, shared, at_a_time=options.at_a_time, expected=_of_theirs)
    if "vllm" in options.launcher:
        on_vllm = [scenario for scenario in shared if scenario.on_vllm]
        vllm = run(VLLM, on_vllm, at_a_time=1, expected=_of_theirs)
    OUTPUT.parent.mkdir(exist_ok=True)
    measured = report.Measured(ours, theirs, newest, vllm)
    OUTPUT.write_text(report.document(measured, report.versions(options.newest, options.newest_path)))
    print(f"wrote {OUTPUT.relative_to(ROOT)}")
    return tell(HANDRAIL_ECHO.name, ours) + tell("aws", theirs) + tell("vllm", vllm or {}) > 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/compare", description=__doc__)
    parser.add_argument("--launcher", action="append", default=[], choices=["vllm"], help="also on stock vLLM: minutes")
    parser.add_argument(
        "--newest",
        metavar="PYTHON",
        type=os.path.abspath,
        help="a Python with the newest FastAPI, for the library once more",
    )
    parser.add_argument("--newest-path", default="", metavar="DIR", help="where that Python finds the library")
    parser.add_argument("--at-a-time", type=int, default=3, metavar="N", help="servers at a time (default: 3)")
    return parser.parse_args()


def _of_theirs(scenario: Scenario) -> Outcome:
    return scenario.expected_of_theirs


def run(
    launcher: Launcher,
    scenarios: Sequence[Scenario],
    *,
    at_a_time: int,
    expected: Callable[[Scenario], Outcome] = lambda scenario: scenario.ours,
) -> report.Results:
    """By scenario: what was seen, and what of it was not expected."""
    starts: defaultdict[object, list[tuple[Scenario, Outcome]]] = defaultdict(list)
    for scenario in scenarios:
        starts[scenario.start].append((scenario, expected(scenario)))
    seen: dict[str, Observed] = {}
    with ThreadPoolExecutor(at_a_time) as pool:
        for observed in pool.map(lambda group: observe(launcher, group), starts.values()):
            seen.update(observed)
            print(f"\r{launcher.name}: {len(seen)} of {len(scenarios)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {s.name: (seen[s.name], differences(expected(s), seen[s.name])) for s in scenarios}


def tell(name: str, results: report.Results) -> int:
    """Print where the table and the run disagree; how many rows do."""
    stale = {row: faults for row, (_, faults) in results.items() if faults}
    for row, faults in stale.items():
        print(f"{name}: {row}", *faults, sep="\n    ")
    return len(stale)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
