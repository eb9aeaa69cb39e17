"""The example `fallback`: its rules, and a real review service that answers, refuses, is slow and is killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import Served, eventually, free_port, listens

FALLBACK = EXAMPLES / "fallback"
UNREVIEWED = "We cannot review our answers right now. Please try again in a minute."


class Reviewer:
    """The example's own review service, in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/review"
        command = [sys.executable, str(FALLBACK / "review_service.py"), str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually(lambda: listens(self.port), "the review service to listen")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def reviewer() -> Iterator[Reviewer]:
    reviewer = Reviewer()
    yield reviewer
    reviewer.kill()


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Without a review service."""
    served = Served(FALLBACK, tmp_path_factory.mktemp("fallback") / "log", HANDRAIL_ENGINE="echo")
    yield served.ready()
    served.stop()


def ask(served: Served, question: Any, path: str = "/predict", **more: Any) -> httpx.Response:
    return served.http.post(path, json={"messages": [{"role": "user", "content": question}], **more})


def answer(served: Served, question: str, path: str = "/predict") -> tuple[str, str, int]:
    """The text, its source, and the tokens that were generated."""
    body = ask(served, question, path).json()
    return body["choices"][0]["message"]["content"], body["source"], body["usage"]["completion_tokens"]


@pytest.mark.parametrize("path", ["/predict", "/v1/chat/completions"])
def test_a_rule_answers_and_nothing_is_generated(fallback: Served, path: str) -> None:
    expected = ("A person will answer this within a day.", "rule", 0)
    assert answer(fallback, "I want a REFUND, now!", path) == expected
    assert answer(fallback, "refunding is another word", path) == ("refunding is another word", "engine", 4)


def test_what_was_generated_is_rewritten(fallback: Served) -> None:
    assert answer(fallback, "Exit code 3 means") == ("Exit status 3 means", "engine", 4)


@pytest.mark.parametrize(
    "body", [[1], {}, {"messages": []}, {"messages": ["a"]}, {"messages": [{"role": "user", "content": [1]}]}]
)
def test_what_no_rule_can_read_is_400(fallback: Served, body: Any) -> None:
    assert fallback.http.post("/predict", json=body).status_code == 400


def test_a_stream_is_400(fallback: Served) -> None:
    refused = ask(fallback, "a", stream=True)
    assert (refused.status_code, "as a whole" in refused.json()["error"]["message"]) == (400, True)


def test_a_service_allows_refuses_is_killed_and_comes_back(launch: Launch, reviewer: Reviewer) -> None:
    """Nothing is generated where it does not allow it."""
    served = launch(FALLBACK, TRUSS_SECRET_review_url=reviewer.url).ready()
    assert answer(served, "one two") == ("one two", "engine", 2)
    assert answer(served, "a secret") == ("We do not talk about secrets.", "review", 0)
    reviewer.kill()
    assert answer(served, "one two") == (UNREVIEWED, "fallback", 0)
    assert answer(served, "a refund")[1] == "rule", "which needs no review"
    served.says("no review from ***: ConnectError")  # its address is a secret of the Model
    command = [sys.executable, str(FALLBACK / "review_service.py"), str(reviewer.port)]
    reviewer.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    eventually(lambda: answer(served, "one two")[1] == "engine", "the service to be back")


def test_a_slow_service_is_waited_for_as_long_as_it_says(launch: Launch) -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        served = launch(FALLBACK, TRUSS_SECRET_review_url=url).ready()
        began = time.monotonic()
        assert answer(served, "one two") == (UNREVIEWED, "fallback", 0)
        assert 1.9 < time.monotonic() - began < 10
        served.says("ReadTimeout")


@pytest.mark.parametrize("path", ["/ping", "/"])
def test_a_service_that_is_another_is_as_good_as_none(launch: Launch, fallback: Served, path: str) -> None:
    """An address that answers with an error, or with something else."""
    served = launch(FALLBACK, TRUSS_SECRET_review_url=f"{fallback.url}{path}").ready()
    assert answer(served, "one two") == (UNREVIEWED, "fallback", 0)


def test_a_rule_that_is_no_pattern_stops_the_start(launch: Launch, tmp_path: Path) -> None:
    config = (FALLBACK / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace(r"\b(refund|", r"\b((refund|"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_bytes((FALLBACK / "model" / "model.py").read_bytes())
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert "missing )" in served.stderr
