"""docs/compatibility/inference-toolkit.md: what was measured, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.toolkit.rows import ALL, THEMES
from tests.toolkit.table import Answer, Row, measured

RECORDED = Path(__file__).with_name("recorded.json")
_LONGEST = 130
_BEFORE = re.compile(r"/\S+?/ml/")

HEAD = """\
# Scripts for SageMaker's inference toolkit, here and there

What a `code/inference.py` written for SageMaker's inference toolkit does on Handrail and on the toolkit itself. Every
cell is measured. The rows are `tests/toolkit/rows*.py`; `pytest tests/toolkit` holds Handrail to them. The toolkit's
answers are those of its own `DefaultHandlerService` under Multi Model Server's own `Service`, in one process without
the server in front (`tests/toolkit/original.py`). They are recorded in `tests/toolkit/recorded.json`, because the
package is built from source and needs SciPy. Handrail runs with the echo engine.
[How to serve such a script](../how-to/inference-toolkit.md) has the rules.

```sh
scripts/compare-toolkit        # a minute; makes .venv-toolkit, and records the toolkit's answers anew
```
"""


def recorded() -> tuple[dict[str, str], dict[str, Answer]]:
    """The versions, and the toolkit's answers by row."""
    kept: dict[str, Any] = json.loads(RECORDED.read_text())
    return kept["versions"], {name: measured(answer) for name, answer in kept["answers"].items()}


def disagreements() -> dict[str, str]:
    """By row, what is wrong with its verdict; "" if it is right."""
    _, theirs = recorded()
    return {row.name: _disagreement(row, theirs.get(row.name)) for row in ALL}


def _disagreement(row: Row, theirs: Answer | None) -> str:
    if theirs is None:
        return "the toolkit's answer is not recorded"
    is_same = is_alike(row, theirs)
    if is_same and (row.reason or row.fails):
        return "the toolkit does the same"
    return "" if is_same or row.reason or row.fails else f"the toolkit does otherwise: {_cell(theirs)}"


def is_alike(row: Row, theirs: Answer) -> bool:
    """Whether the toolkit does the same: it answers so, or it refuses to start as well, in words of its own."""
    return theirs.status is None if row.ours.status is None else row.ours.fits(theirs)


def document(ours: Mapping[str, Answer]) -> str:
    versions, theirs = recorded()
    verdicts = [_verdict(row) for row in ALL]
    counts = {name: verdicts.count(name) for name in ("same", "better", "different")}
    known = ", ".join(f"{name} {number}" for name, number in versions.items())
    lines = [
        f"{HEAD}\nMeasured with {known}.\n",
        f"Of {len(ALL)} behaviours {counts['same']} are the same, {counts['better']} are better here: the toolkit does "
        f"not do what its user may expect. {counts['different']} differ on purpose, for the reason in the row.",
    ]
    for theme, rows in THEMES.items():
        lines += ["", f"## {theme}", "", "| behaviour | Handrail | toolkit | verdict | why |", "|---|---|---|---|---|"]
        lines += _rows(rows, ours, theirs)
    return "\n".join(lines) + "\n"


def _rows(rows: tuple[Row, ...], ours: Mapping[str, Answer], theirs: Mapping[str, Answer]) -> Iterator[str]:
    for row in rows:
        there = "the same" if _verdict(row) == "same" else _cell(theirs[row.name])
        yield f"| {row.name} | {_cell(ours[row.name])} | {there} | {_verdict(row)} | {row.reason or row.fails} |"


def _verdict(row: Row) -> str:
    return "different" if row.reason else "better" if row.fails else "same"


def _cell(answer: Answer) -> str:
    """An answer in short: no path that is another on each machine, no id of a request."""
    if answer.status is None:
        return f"`no start: {_short(answer.text)}`"
    body = answer.body or b""
    kind = (answer.content_type or "").partition(";")[0]
    is_binary = kind in ("application/x-npy", "application/x-npz", "application/octet-stream")
    said = f"{len(body)} bytes" if is_binary else _short(_message(body.decode(errors="replace")))
    return f"`{answer.status} {kind} {said}`".replace("  ", " ")


def _message(body: str) -> str:
    """The message of an error of ours; the first line of the toolkit's, whose body is a traceback."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.strip().partition("\nTraceback")[0]
    is_error = isinstance(found, dict) and isinstance(found.get("error"), dict)
    return str(found["error"]["message"]) if is_error else json.dumps(found)


def _short(text: str) -> str:
    plain = _BEFORE.sub("/opt/ml/model/", " ".join(text.split()))
    plain = re.sub("0x[0-9a-f]+", "0x…", plain).replace("`", "'").replace("|", "\\|")
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
