"""docs/compatibility/truss.md: what was measured, in Markdown."""

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


#: What no row can show, or several rows show together.
REMARKS = """\
Without `runtime.predict_concurrency` one predict runs at a time, as on Truss. A Model that takes the engine (`trt_llm`
or `engine` in `__init__`, a `trt_llm` or `vllm` block in `config.yaml`) has no limit: Truss sets 512 there. A stream
holds its place until it has been sent; on Truss until it has been produced. A Model goes on when its client leaves, so
that it may ask `request.is_disconnected()`; a stream has two seconds to. Its calls of the engine end at once.

## What an image would have

Truss builds an image for each Model, and puts into it what `config.yaml` requires. Here the image is built already:

- `requirements` and `requirements_file` are installed when the server starts, before the script is imported, by the
  rules of `requirements.txt`: what is there needs no network, a line that would move what the server runs on is
  refused (or [passed over](../how-to/adopt.md#requirements-that-pin-vllm), if the Model builds an engine), and
  `HANDRAIL_INSTALL_REQUIREMENTS=false` switches it off. Where both are given, both are installed; Truss refuses that. A
  `pyproject.toml` is read as Truss reads it; of a `uv.lock` the `pyproject.toml` beside it, with a warning.
- `system_packages` are not installed. What the image lacks is a warning at the start and in `handrail check`, and is
  named where `load` fails. Build an image FROM this one that has them.
- `docker_server` is refused; where it runs `vllm serve …`, with the `SM_VLLM_*` variables that say the same.
- `environment_variables` are set where the process has none of that name, before the script is imported.
"""
RATES = "## Requests a second\n"


@dataclass(frozen=True)
class Measured:
    """`rates` is the section on them: one that was measured just now, or that of an earlier document."""

    ours: Results
    theirs: Results
    rates: str


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
            REMARKS,
            measured.rates,
            *(line for theme, rows in THEMES.items() for line in _theme(theme, rows, measured)),
        ]
    )


_SECTION = "\n## "


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


def kept_rates(document: str) -> str:
    """The section on them of an earlier document, as it is."""
    _, heading, rest = document.partition(RATES)
    return f"{heading}{rest.partition(_SECTION)[0]}"


def speed(rates: Mapping[str, Rates]) -> Iterator[str]:
    yield RATES
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
