"""Which way imports point: the contracts in pyproject.toml, and that a breach of one is seen."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINER = ROOT / "container" / "handrail_container"
HANDLERS = ROOT / "handlers" / "handrail"
_LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (root / "container", root / "handlers")))
    command = [sys.executable, "-c", _LINT, "--config", str(root / "pyproject.toml"), "--no-cache"]
    given = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=given, cwd=root)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for folder in ("container", "handlers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("container/handrail_container/process/logs.py", "from handrail_container.cli import directory"),
        ("container/handrail_container/routes/ping.py", "import handrail_container.gate.keys"),
        ("handlers/handrail/core/slots.py", "import handrail_container"),
        ("handlers/handrail/core/ladder.py", "from handrail.styles.truss import config"),
    ],
)
def test_an_import_that_runs_up_is_refused(copied: Path, file: str, line: str) -> None:
    planted = copied / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    run = lint(copied)
    assert (run.returncode, "BROKEN" in run.stdout) == (1, True), run.stdout


def test_no_import_runs_up() -> None:
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout


def test_the_top_is_small() -> None:
    """Twelve names at most, beside what Python itself looks for; a folder of bytecode alone was moved away."""
    names = {path.relative_to(CONTAINER).parts[0] for path in CONTAINER.rglob("*.py")}
    assert len([name for name in names if not name.startswith("_")]) <= 12


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for root in (CONTAINER, HANDLERS):
        for path in root.rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: them for name, them in places.items() if len(them) > 1} == {}
