"""The server under requests that nobody should send: a small part of `scripts/fuzz`, and schemathesis on its schema."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Launch
from tests.fuzz import Fuzz, main, requests

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("seed", [1, 2])
def test_malformed_requests_do_no_harm(serving: Launch, seed: int) -> None:
    """Each is answered, hung up on or waited for; never a 5xx, and nothing unforeseen in the log."""
    served = serving(HANDRAIL_INVOCATION_TIMEOUT_S="5")
    outcome = asyncio.run(Fuzz(served.port, quiet_s=1, at_once=300).run(seed, 300))
    assert outcome.faults == []
    assert "Traceback" not in served.stderr
    assert sum(outcome.statuses.values()) > 100, str(outcome)
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


def test_what_the_schema_describes_is_what_is_there(serving: Launch) -> None:
    """Schemathesis: every operation, with good and bad data; no 5xx, and answers as described."""
    served = serving()
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {"POST /invocations", "GET /ping", "POST /v1/chat/completions"} <= {each.label for each in operations}
    for operation in operations:
        _try(operation)
    assert "Traceback" not in served.stderr


def _try(operation: Any) -> None:
    @settings(max_examples=8, derandomize=True, database=None, phases=[Phase.generate])
    @given(case=operation.as_strategy())
    def tried(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    tried()
