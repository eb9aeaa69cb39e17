"""A Truss's `system_packages`: said where they are missing, and in the message where its load fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from handrail.styles.truss.config import TrussConfig
from handrail_container.cli.check import check_program
from handrail_container.program import system_packages

from tests.container.test_truss_requirements import MODEL, truss
from tests.servers import run

STATUS = """\
Package: ffmpeg
Status: install ok installed
Provides: video-tool (= 1), other-tool
Description: it
 Package: not-this-one

Package: removed
Status: deinstall ok config-files

Package: libsndfile1
Status: hold ok installed
"""
LOADS = """\
class Model:
    def load(self):
        raise OSError("libnone.so: cannot open")

    def predict(self): ...
"""
CONFIG = "system_packages:\n  - no-such-package\n"


@pytest.fixture
def status(tmp_path: Path) -> Path:
    file = tmp_path / "status"
    file.write_text(STATUS)
    return file


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (None, []),
        ([], []),
        ("ffmpeg", []),
        (["ffmpeg", None, "libsndfile1:amd64=1.2", "video-tool", "other-tool"], []),
        (["removed", "not-this-one", "ffmpeg", "libgl1=1"], ["removed", "not-this-one", "libgl1=1"]),
    ],
)
def test_what_is_installed_is_not_missing(status: Path, given: object, lacking: list[str]) -> None:
    """By version and architecture too, and by what a package provides; an image may have been built with them."""
    config = TrussConfig(Path("/m/config.yaml"), {"system_packages": given}, {"system_packages": 7})
    assert system_packages.missing(config, status) == lacking
    said = system_packages.sentence(config, status)
    assert bool(said) == bool(lacking)
    if lacking:
        assert said.startswith(f"/m/config.yaml:7 system_packages: {', '.join(lacking)} cannot be installed here")
        assert f"--no-install-recommends {' '.join(lacking)}`" in said


def test_elsewhere_than_on_debian_all_are_missing(tmp_path: Path) -> None:
    config = TrussConfig(Path("/m/config.yaml"), {"system_packages": ["ffmpeg"]})
    assert system_packages.missing(config, tmp_path / "none") == ["ffmpeg"]


def test_check_warns_and_says_yes(tmp_path: Path) -> None:
    """The Model may do without."""
    truss(tmp_path, CONFIG, MODEL)
    report = check_program(model_path=tmp_path, engine="echo")
    assert report.exit_code == 0
    assert [one for one in report.warnings if "no-such-package cannot be installed here" in one]
    (row,) = report.config.fields
    assert (row.outcome, "FROM handrail" in row.note) == ("ignored", True)


def test_a_load_that_fails_says_what_may_be_missing(tmp_path: Path) -> None:
    """After the warning of the start."""
    truss(tmp_path, CONFIG, LOADS)
    served = run("serve", tmp_path, "--engine", "echo", "--port", "0", NUM_LOAD_RETRIES_TRUSS="0")
    assert served.returncode == 3
    warned, _, last = served.stderr.rpartition("Model.load failed: OSError: libnone.so: cannot open. Perhaps for want")
    assert "config.yaml:1 system_packages: no-such-package cannot be installed here" in warned
    assert "config.yaml:1 system_packages: no-such-package cannot be installed here" in last
