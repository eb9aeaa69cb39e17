"""Runs `handrail check` before a deployment: with the endpoint's environment, in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handrail_container.process.exits import ExitCode, StartError
from handrail_container.settings.environment import environment_for

#: The model directory's path in the container.
_THERE = "/opt/ml/model"


class CheckRefused(StartError):
    """The check has failed; the status is the one that `handrail serve` would exit with."""

    def __init__(self, exit_code: int, *problems: str) -> None:
        super().__init__(*problems)
        self.exit_code = ExitCode(exit_code)


def check(directory: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Check the directory; warnings and open questions go to `say`. Raises CheckRefused."""
    command = [sys.executable, "-P", "-m", "handrail_container", "check", str(directory), "--json", "--elsewhere"]
    here = {name: _here(value, directory) for name, value in environment.items()}
    done = subprocess.run(command, env=environment_for(here), capture_output=True, text=True, check=False)
    report = _read(done.stdout)
    if report is None:
        raise CheckRefused(ExitCode.SCRIPT, f"`handrail check {directory}` ended with {done.returncode}: {done.stderr}")
    for kind, lead in (("warnings", "warning: "), ("undecided", "not known yet: ")):
        for sentence in report[kind]:
            say(f"{lead}{sentence}")
    if report["exit_code"]:
        advice = "Nothing was deployed. `handrail check` shows more; --no-check deploys it all the same"
        raise CheckRefused(report["exit_code"], *report["problems"], advice)


def _here(value: str, directory: Path) -> str:
    """A path in the container's model directory, mapped to this machine; other values unchanged."""
    is_below = value == _THERE or value.startswith(f"{_THERE}/")
    return f"{directory.resolve()}{value.removeprefix(_THERE)}" if is_below else value


def _read(text: str) -> dict[str, Any] | None:
    """The report in the output, after anything that the script prints on import; None if there is none."""
    start = text.find('{\n  "model_path"')
    try:
        report: dict[str, Any] = json.loads(text[max(start, 0) :])
    except ValueError:
        return None
    return report
