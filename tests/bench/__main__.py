"""Measures what the server layer costs, beside others, and writes docs/explanation/performance.md."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from tests.bench.report import markdown, write
from tests.bench.table import Effort, Table

PARTS = ("unary", "stream", "generate", "adopted", "start", "ping", "memory", "growth")


def main() -> int:
    options = _options()
    effort = Effort(
        options.rounds, options.seconds, frozenset(options.only.split(",")) if options.only else frozenset()
    )
    is_over = False
    for part in options.parts or PARTS:
        table: Table = import_module(f"tests.bench.{part}").measure(effort)
        print(f"\n## {table.title}\n\n{markdown(table)}", flush=True)
        is_over = is_over or any("**over**" in line for line in table.verdicts)
        if options.write:
            write(table)
    return int(is_over)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, epilog="Exits 1 where a budget is over."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each server, turn by turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=3, metavar="S", help="of a round (default: 3)")
    parser.add_argument("--only", metavar="NAME,…", help="only these servers, as ours,asgi,stock")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print, and leave docs/ alone")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{sorted(unknown)[0]!r} is no part; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
