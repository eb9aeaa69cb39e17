"""docs/truss.md: what was measured, in Markdown."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.compat.observe import Observed
from tests.compat.report import Results, cell, installed
from tests.compat.table import Refuses, Scenario
from tests.truss.bench import CONNECTIONS, SECONDS, Rates
from tests.truss.rows import ALL, THEMES

_PACKAGES = ("truss", "fastapi", "starlette", "uvicorn", "pydantic")

HEAD = """\
# Truss Models, here and there

What a Model written for Baseten's Truss does on Handrail and on Truss's own server. Every cell is measured:
`scripts/compare-truss` starts both servers for each row, sends its requests, and writes this file. The rows are
`tests/truss/rows/`; `pytest tests/truss` holds Handrail to them.

Truss's server is the unmodified one of the package, laid out as its image has it (`tests/truss/server.py`), without an
engine. Handrail runs as `handrail serve --engine echo`. The status of a WebSocket is the code it was closed with.
Truss's server ends by SIGKILL (-9) where a probe finds that the load has failed.

```sh
scripts/compare-truss        # about eight minutes; makes .venv-truss; wrk and taskset measure the requests a second
```
"""


@dataclass(frozen=True)
class Measured:
    ours: Results
    theirs: Results
    rates: Mapping[str, Rates]


def versions(python: str) -> str:
    theirs = installed(python, "", _PACKAGES)
    return f"Python {platform.python_version()}; there " + ", ".join(f"{name} {v}" for name, v in theirs.items())


def document(measured: Measured, known: str) -> str:
    counts = {
        verdict: sum(1 for row in ALL if verdict_of(row) == verdict) for verdict in ("same", "better", "different")
    }
    return "\n".join(
        [
            HEAD,
            f"Measured with {known}.\n",
            f"Of {len(ALL)} behaviours {counts['same']} are the same, {counts['better']} are better here: Truss's "
            "server does not do what its author may expect. "
            f"{counts['different']} differ on purpose, for the reason in the row.\n",
            *speed(measured.rates),
            *(line for theme, rows in THEMES.items() for line in _theme(theme, rows, measured)),
        ]
    )


def _their_cell(row: Scenario, observed: Observed) -> str:
    """Of a start that failed, the last line of the traceback in the log."""
    if observed.exit_status is None:
        return cell(row, row.expected_of_theirs, observed)
    tracebacks = re.findall(r'"exc_info": ("(?:[^"\\]|\\.)*")', observed.log)
    last = json.loads(tracebacks[0]).splitlines()[-1] if tracebacks else ""
    return f"`exit {observed.exit_status}: {last}`".replace("|", "\\|")


def verdict_of(row: Scenario) -> str:
    if row.theirs is None:
        return "same"
    return "better" if row.fails else "different"


def speed(rates: Mapping[str, Rates]) -> Iterator[str]:
    yield "## Requests a second\n"
    yield f"""\
A `predict` that returns a small dict, {CONNECTIONS} connections, `wrk` on one core and the server on another, the two
servers turn by turn, {SECONDS} s each. The medians; their ratios are what holds on other machines. A CPU second is one
that the server's process has had, which the machine's other work does not change.
"""
    yield from ("| `predict` is | requests | Handrail | Truss | ratio | rounds of each |", "|---|---|---|---|---|---|")
    for kind, found in rates.items():
        for per, (ours, theirs) in found.medians().items():
            ratio = f"{ours / theirs:.1f}"
            yield f"| `{kind}` | a {per} | {ours:.0f} | {theirs:.0f} | {ratio} | {len(found.ours)} |"
    yield ""


def _theme(theme: str, rows: tuple[Scenario, ...], measured: Measured) -> Iterator[str]:
    yield f"## {theme}\n"
    yield from ("| behaviour | Handrail | Truss | verdict | why |", "|---|---|---|---|---|")
    for row in rows:
        ours = cell(row, row.ours, measured.ours[row.name][0])
        theirs = _their_cell(row, measured.theirs[row.name][0])
        is_plain = verdict_of(row) == "same" and not isinstance(row.ours, Refuses)
        theirs = "the same" if is_plain else theirs
        yield f"| {row.name} | {ours} | {theirs} | {verdict_of(row)} | {row.reason or row.fails} |"
    yield ""
