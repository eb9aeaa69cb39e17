"""The server under requests that nobody should send: a small part of `scripts/fuzz`, and schemathesis on its schema."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import Launch
from tests.fuzz import Fuzz, main, requests

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.parametrize("seed", [1, 2])
def test_malformed_requests_do_no_harm(serving: Launch, seed: int) -> None:
    """Each is answered, hung up on or waited for; never a 5xx, and nothing unforeseen in the log."""
    served = serving(HANDRAIL_INVOCATION_TIMEOUT_S="5")
    outcome = asyncio.run(Fuzz(served.port, quiet_s=0.3).run(seed, 300))
    assert outcome.faults == []
    assert "Traceback" not in served.stderr
    assert sum(outcome.statuses.values()) > 150, str(outcome)
    assert {200, 400, 404, 405, 422} <= outcome.statuses.keys(), str(outcome)


def test_the_same_seed_sends_the_same() -> None:
    """So that a fault can be had again."""
    assert list(requests(5, 50)) == list(requests(5, 50)) != list(requests(6, 50))


def test_the_script_says_what_it_saw(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And fails where a connection was left waiting: here for no longer than it takes to answer none."""
    monkeypatch.setattr(sys, "argv", ["fuzz", "--count", "20", "--seed", "3", "--quiet-s", "0.05"])
    code = main()
    said = capsys.readouterr().out
    assert said.startswith("20 requests, seed 3: answers ")
    assert "tracebacks in the log: 0" in said
    assert code == (", left waiting 0;" not in said)


def test_what_the_schema_describes_is_what_is_there(serving: Launch, tmp_path: Path) -> None:
    """Schemathesis: every operation, with good and bad data; no 5xx, and answers as described."""
    served = serving()
    command = [Path(sysconfig.get_path("scripts"), "schemathesis"), "run", f"{served.url}/openapi.json"]
    options = ["--checks", CHECKS, "--max-examples", "5", "--seed", "1", "--phases", "fuzzing", "--no-color"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout or "passed" in done.stdout
    assert "Traceback" not in served.stderr
