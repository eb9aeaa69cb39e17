"""The server under requests that nobody should send: a small part of `scripts/fuzz`, and schemathesis on its schema."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from tests.fuzz.__main__ import main
from tests.fuzz.client import Patience
from tests.fuzz.judge import Judge, Outcome
from tests.fuzz.mutations import mutations
from tests.fuzz.planted import FAULTS
from tests.fuzz.steps import Attack, Hear, Send

pytestmark = pytest.mark.slow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


#: What each fault is found by, and what it does: words of an attack's name, and of what is said of it.
FOUND = {
    "upgrade": ("a body behind Upgrade: h2c, as", "a request in the body of another was answered"),
    "json": ("a chat of empty lists", "others: it has grown by"),
    "chat": ("24 MB of empty lists", "others: it has grown by"),
    "sockets": ("20 messages of 100 KB", "others: "),
    "messages": ("4 MB that nobody takes", "others: it has grown by"),
    "frames": ("a message of 60 MB", "it did not say b'\\x03\\xf1'"),
    "handshakes": ("handshake: no version", "it hangs"),
    "stops": ("a handshake without a key is open", "Traceback"),
    "guard": ("14 bytes", "others: /ping was not answered within 5 s"),
    "pipeline": ("20 MB of requests behind", "others: it has grown by"),
    "leaving": ("a stream that awaits nothing", "others: /metrics was not answered"),
    "log": ("prints more than a pipe", "others: /metrics was not answered"),
}


@pytest.mark.parametrize("seed", [1, 2])
def test_malformed_requests_do_no_harm(serving: Launch, seed: int) -> None:
    """Each is answered, hung up on or waited for; never a 5xx, and nothing unforeseen in the log."""
    served = serving(HANDRAIL_INVOCATION_TIMEOUT_S="5")
    judge = Judge(served.port, served.process.pid, Patience(quiet_s=1, late_s=20), at_once=300)
    outcome = asyncio.run(judge.together(mutations(seed, 300)))
    assert outcome.faults == [], str(outcome)
    assert outcome.waiting == 0
    assert "Traceback" not in served.stderr
    assert sum(outcome.statuses.values()) > 100, str(outcome)
    assert {101, 200, 400, 404, 405, 422} <= outcome.statuses.keys(), str(outcome)


def test_the_same_seed_sends_the_same() -> None:
    """So that a fault can be had again."""
    assert mutations(5, 50) == mutations(5, 50) != mutations(6, 50)


def fuzz(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--quiet-s", "0.5", *words])
    return main()


def test_a_healthy_server_passes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept for the next request is no hang."""
    code = fuzz(monkeypatch, "--count", "40", "--seed", "3", "--only", "smuggling", "--late-s", "20")
    said = capsys.readouterr().out
    assert said.startswith("8 attacks, 40 requests, seed 3: answers ")
    assert "left waiting 0; " in said
    assert code == 0, said


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_planted_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    only, words = FOUND[fault]
    code = fuzz(monkeypatch, "--count", "0", "--fault", fault, "--only", only, "--hung-s", "8")
    said = capsys.readouterr().out
    assert said.startswith("1 attacks, "), said
    assert words in said
    assert code == 1


@asynccontextmanager
async def planted(says: bytes | None) -> AsyncIterator[Judge]:
    """What a server looks like that answers those in order as it should, and anything else with `says`, or never."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(1 << 16)
        if asked.endswith(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif says is None:
            await reader.read()
        else:
            writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Judge(port, patience=Patience(quiet_s=0.1, hung_s=0.3, late_s=20))


ASKS = [Attack("it", (Send(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n"),))] * 20


async def test_a_hang_is_seen() -> None:
    async with planted(None) as judge:
        outcome = await judge.together(ASKS)
    assert (outcome.waiting, outcome.kept, len(outcome.faults)) == (20, 0, 20)


@pytest.mark.parametrize("says", [b"HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n", b"Traceback\r\n"])
async def test_an_answer_that_should_not_be_is_seen(says: bytes) -> None:
    """A fault of the server, and what is no answer."""
    async with planted(says) as judge:
        outcome = await judge.together(ASKS)
    assert outcome.faults  # of some the answer is lost, where it comes before all is sent
    assert outcome.waiting == 0


async def test_what_is_never_said_is_seen() -> None:
    async with planted(b"HTTP/1.1 200 OK\r\n\r\n") as judge:
        outcome = await judge.in_turn([Attack("it", (*ASKS[0].steps, Hear(b"never")), (200,))])
    assert outcome.faults == ["it: it did not say b'never'; it said b'HTTP/1.1 200 OK\\r\\n\\r\\n'"]


async def test_a_server_that_others_are_not_served_by_is_not_tried_on() -> None:
    """Not one more attack."""
    async with planted(None) as judge:
        pass
    outcome: Outcome = await judge.together(())
    assert outcome.is_over
    assert outcome.faults[0].startswith("others: /ping was answered b'ConnectionRefusedError")


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
