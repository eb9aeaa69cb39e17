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
from tests.fuzz import Fuzz, Outcome, main, requests

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("seed", [1, 2])
def test_malformed_requests_do_no_harm(serving: Launch, seed: int) -> None:
    """Each is answered, hung up on or waited for; never a 5xx, and nothing unforeseen in the log."""
    served = serving(HANDRAIL_INVOCATION_TIMEOUT_S="5")
    outcome = asyncio.run(Fuzz(served.port, quiet_s=1, at_once=300).run(seed, 300))
    assert outcome.faults == []
    assert outcome.waiting == 0, str(outcome)
    assert "Traceback" not in served.stderr
    assert sum(outcome.statuses.values()) > 100, str(outcome)
    assert {200, 400, 404, 405, 422} <= outcome.statuses.keys(), str(outcome)


def test_the_same_seed_sends_the_same() -> None:
    """So that a fault can be had again."""
    assert list(requests(5, 50)) == list(requests(5, 50)) != list(requests(6, 50))


def test_a_healthy_server_passes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept for the next request is no hang."""
    monkeypatch.setattr(sys, "argv", ["fuzz", "--count", "40", "--seed", "3", "--quiet-s", "0.5"])
    code = main()
    said = capsys.readouterr().out
    assert said.startswith("40 requests, seed 3: answers ")
    assert "left waiting 0; " in said
    assert "tracebacks in the log: 0" in said
    assert code == 0


async def planted(says: bytes | None) -> Outcome:
    """What a server looks like that answers `/ping` as it should, and anything else with `says`, or never."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(1 << 16)
        if asked == b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif says is None:
            await reader.read()
        else:
            writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await Fuzz(port, quiet_s=0.1, at_once=20, hung_s=0.3).run(1, 20)


async def test_a_hang_is_seen() -> None:
    outcome = await planted(None)
    assert (outcome.waiting, outcome.kept) == (20, 0)


@pytest.mark.parametrize("says", [b"HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n", b"Traceback\r\n"])
async def test_an_answer_that_should_not_be_is_seen(says: bytes) -> None:
    """A fault of the server, and what is no answer."""
    outcome = await planted(says)
    assert outcome.faults  # of some the answer is lost, where it comes before all is sent
    assert outcome.waiting == 0


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
