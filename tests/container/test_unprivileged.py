"""SageMaker runs us as root with a model directory that is not to be written to; others run us as anybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import SCRIPTS, Served

NOBODY = 65534


class OfNobody(Served):
    user = NOBODY
    program = (sys.executable, "-c", "from handrail_container.cli import main; main()")  # scripts may be root's alone


def tree(folder: Path) -> list[tuple[str, int]]:
    return [(str(path), path.stat().st_mtime_ns) for path in sorted((folder, *folder.rglob("*")))]


@pytest.fixture
def model() -> Iterator[Path]:
    """A script with a sibling and a package, which nobody may write to; others may read it."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model")
        shutil.copytree(SCRIPTS / "sibling_import", model, ignore=shutil.ignore_patterns("__pycache__"))
        os.chmod(folder, 0o755)
        for path in (model, *model.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield model
        for path in (model, *model.rglob("*")):
            path.chmod(0o755)


@pytest.mark.parametrize("kind", [Served, OfNobody])
def test_nothing_is_written_to_the_model_directory(
    model: Path, tmp_path: Path, kind: type[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As whoever runs the tests, and, where that is root, as nobody."""
    if kind is OfNobody:
        if os.getuid():
            pytest.skip("only root can run a server as somebody else")
        try:
            subprocess.run([sys.executable, "-c", ""], user=NOBODY, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip(f"nobody cannot run {sys.executable}")
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)  # nobody may write the figures
    before = tree(model)
    served = kind(model, tmp_path / "log", HANDRAIL_ENGINE="echo").ready()
    try:
        assert served.http.post("/invocations", json={"prompt": "a"}).status_code == 200
    finally:
        assert served.stop() == 0
    assert tree(model) == before
    assert "Traceback" not in served.stderr
