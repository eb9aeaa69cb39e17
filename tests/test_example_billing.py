"""The example `billing`: who is let in, how often, and what the ledger says of each, on the echo engine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import Served, eventually

BILLING = EXAMPLES / "billing"
CHAT = {"messages": [{"role": "user", "content": "one two three"}]}
LONG = {"messages": [{"role": "user", "content": "word " * 1000}]}
STREAM = {**CHAT, "stream": True}
PRO = {"X-API-Key": "demo-pro-key"}
FREE = {"X-API-Key": "demo-free-key"}
STRICT = {"HANDRAIL_MODEL_ROUTES": "strict"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Its folder is made by the example."""
    return tmp_path / "of-the-ledger" / "ledger.sqlite3"


@pytest.fixture
def billing(launch: Launch, database: Path) -> Served:
    """With a ledger of its own."""
    return launch(BILLING, BILLING_DATABASE=str(database), **STRICT).ready()


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("billing") / "ledger.sqlite3"


@pytest.fixture(scope="module")
def shared(shared_database: Path) -> Iterator[Served]:
    """For tests that look at the latest requests alone."""
    given = {"BILLING_DATABASE": str(shared_database), "HANDRAIL_ENGINE": "echo", **STRICT}
    served = Served(BILLING, shared_database.with_suffix(".log"), **given)
    yield served.ready()
    served.stop()


def ask(served: Served, body: Any, headers: dict[str, str] = PRO, path: str = "/predict") -> httpx.Response:
    return served.http.post(path, json=body, headers=headers)


def totals(served: Served) -> dict[str, int]:
    report = ask(served, {"report": "customer"}).json()
    return {name: report[name] for name in ("requests", "prompt_tokens", "completion_tokens", "total_tokens")}


def latest(served: Served) -> dict[str, Any]:
    entry = ask(served, {"report": "requests"}).json()["requests"][0]
    assert isinstance(entry, dict)
    return entry


def rows(database: Path) -> list[tuple[str | None, str, int]]:
    """Customer, outcome and whether it was admitted, of every request in order."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT customer, outcome, admitted FROM ledger ORDER BY id").fetchall()


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({}, 401, "the API key is missing or unknown: send it as `X-API-Key: KEY`"),
        ({"X-API-Key": "guessed"}, 401, "the API key is missing or unknown: send it as `X-API-Key: KEY`"),
        ({"X-API-Key": "demo-closed-key"}, 403, "former may not use this service: the account was closed"),
    ],
)
def test_who_is_not_known_is_not_served(
    shared: Served, shared_database: Path, headers: dict[str, str], status: int, said: str
) -> None:
    """Nor told anything, and the audit log has it."""
    for body in (CHAT, STREAM, {"report": "customer"}):
        answer = ask(shared, body, headers)
        assert (answer.status_code, answer.json()["error"]["message"]) == (status, said)
    customer, outcome = ("former", "disabled") if status == 403 else (None, "unknown")
    assert rows(shared_database)[-3:] == [(customer, outcome, 0)] * 3


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/chat/completions", 401),
        ("/sync/v1/completions", 401),
        ("/v1/models/billing:predict", 401),
        ("/v1/messages", 404),
        ("/v1/chat/completions/batch", 404),
        ("/tokenize", 404),
    ],
)
def test_no_route_leads_past_it(shared: Served, path: str, status: int) -> None:
    assert ask(shared, CHAT, {}, path).status_code == status


def test_sagemaker_passes_the_key_on_among_its_attributes(shared: Served) -> None:
    """It strips a client's own headers."""
    header = "X-Amzn-SageMaker-Custom-Attributes"
    assert ask(shared, CHAT, {header: "trace=1, api-key=demo-pro-key"}, "/invocations").status_code == 200
    assert ask(shared, CHAT, {header: "api-key"}, "/invocations").status_code == 401


def test_tokens_are_counted_by_request_and_in_total(billing: Served) -> None:
    """A chat, a completion, and what the engine refuses, whose tokens are none."""
    answer = ask(billing, CHAT, {**PRO, "X-Request-Id": "mine"})
    assert answer.json()["usage"]["total_tokens"] == 6
    entry = latest(billing)
    assert (entry["request_id"], entry["operation"], entry["outcome"]) == ("mine", "chat_completions", "answered")
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (3, 3)
    assert ask(billing, {"prompt": "one two"}).status_code == 200
    assert ask(billing, {"prompt": "one two"}, path="/v1/completions").status_code == 200
    for nonsense in ({"messages": "none"}, [1]):
        assert ask(billing, nonsense).status_code == 400
        assert latest(billing)["outcome"] == "refused"
    assert totals(billing) == {"requests": 5, "prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14}


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
def test_a_stream_is_billed_and_its_client_sees_what_it_asked_for(
    shared: Served, options: dict[str, bool] | None
) -> None:
    answer = ask(shared, {**STREAM, "stream_options": options}, path="/v1/chat/completions")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, done = answer.text.removesuffix("\n\n").split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert done == "data: [DONE]"
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks if chunk["choices"]) == "one two three"
    assert [chunk for chunk in chunks if not chunk["choices"]] == ([chunks[-1]] if options else [])
    entry = latest(shared)
    assert (entry["outcome"], entry["prompt_tokens"], entry["completion_tokens"]) == ("answered", 3, 3)


def test_a_stream_that_is_refused_keeps_its_status(shared: Served) -> None:
    assert ask(shared, {"messages": "none", "stream": True}).status_code == 400
    assert latest(shared)["outcome"] == "refused"


def test_a_client_that_leaves_a_stream_is_billed_for_what_was_produced(launch: Launch, database: Path) -> None:
    served = launch(BILLING, BILLING_DATABASE=str(database), HANDRAIL_ECHO_ITL_MS="50").ready()
    with served.http.stream("POST", "/predict", json={**LONG, "stream": True}, headers=PRO) as answer:
        events = answer.iter_lines()
        assert all("[DONE]" not in next(events) for _ in range(6))
    eventually(lambda: rows(database) == [("acme", "left", 1)], "the ledger to say so")
    assert totals(served)["prompt_tokens"] == 1000
    assert 2 <= totals(served)["completion_tokens"] < 1000


def test_a_client_that_leaves_before_the_answer_is_in_the_ledger(launch: Launch, database: Path) -> None:
    served = launch(BILLING, BILLING_DATABASE=str(database), HANDRAIL_ECHO_ITL_MS="50").ready()
    with pytest.raises(httpx.ReadTimeout):
        served.http.post("/predict", json=LONG, headers=PRO, timeout=0.5)
    eventually(lambda: rows(database) == [("acme", "left", 1)], "the ledger to say so")


def test_a_tier_limits_the_rate_and_says_when_to_come_back(billing: Served, database: Path) -> None:
    """Of twelve at once, three are let in: the free tier's."""
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(billing, CHAT, FREE), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 9
    limited = next(answer for answer in answers if answer.status_code == 429)
    assert limited.json()["error"]["message"] == "hobbyist is of the tier 'free': 3 requests a minute"
    assert 50 <= int(limited.headers["Retry-After"]) <= 60
    assert sorted(rows(database)) == [("hobbyist", "answered", 1)] * 3 + [("hobbyist", "limited", 0)] * 9
    assert ask(billing, CHAT).status_code == 200, "others are not concerned"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE ledger SET at = at - 61")
    assert ask(billing, CHAT, FREE).status_code == 200, "a minute later"


def test_many_at_once_are_all_counted(billing: Served) -> None:
    """Streamed and not."""
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda i: ask(billing, STREAM if i % 2 else CHAT).status_code, range(100)))
    assert statuses == [200] * 100
    assert totals(billing) == {"requests": 100} | {
        "prompt_tokens": 300,
        "completion_tokens": 300,
        "total_tokens": 600,
    }


def test_the_ledger_outlives_the_server(launch: Launch, database: Path) -> None:
    for _ in range(2):
        served = launch(BILLING, BILLING_DATABASE=str(database), **STRICT).ready()
        ask(served, CHAT)
        served.stop()
    assert rows(database) == [("acme", "answered", 1)] * 2


def test_an_unknown_report_is_refused_with_those_there_are(shared: Served) -> None:
    answer = ask(shared, {"report": "all"})
    assert answer.status_code == 400
    assert "report is 'all'" in answer.json()["error"]["message"]
    assert '"customer"' in answer.json()["error"]["message"]
