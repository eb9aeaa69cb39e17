"""Each example, by its README, on the echo engine; on real vLLM they are run in tests/vllm."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Launch
from tests.examples import EXAMPLES, NAMES, Example, commands
from tests.servers import eventually, free_port, listens, run

pytestmark = pytest.mark.slow

#: Two call vLLM itself, so they run in the vllm tier only, and one is of the ray tier; one has a test of its own.
ELSEWHERE = {"rag", "own_llm", "ray", "multi_step"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - ELSEWHERE))
def test_an_example_answers_what_its_readme_asks(name: str, tmp_path: Path) -> None:
    """The echo engine says the question back."""
    example = Example(EXAMPLES / name / "README.md", tmp_path / "log", "--engine", "echo")
    try:
        assert "What does /ping do?" in example.ready().answer()
    finally:
        assert example.stop() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_begins_with_one_run_and_one_request(name: str) -> None:
    run, ask = commands(EXAMPLES / name / "README.md")[:2]
    assert f"scripts/serve examples/{name}" in run
    assert ask.startswith("curl http://127.0.0.1:8080/invocations")


def test_multi_step_asks_the_service_of_its_readme(tmp_path: Path) -> None:
    """In steps, as its answer shows: the session is the service's."""
    folder, port = EXAMPLES / "multi_step", free_port()
    with subprocess.Popen([sys.executable, folder / "service.py", str(port)]) as service:
        try:
            example = Example(folder / "README.md", tmp_path / "log", SERVICE_URL=f"http://127.0.0.1:{port}")
            try:
                eventually(lambda: listens(port), "the service to listen")
                message = json.loads(example.ready().answer())["choices"][0]["message"]
            finally:
                assert example.stop() == 0
        finally:
            service.terminate()
    assert message["content"] == "You asked: What does /ping do?"
    assert message["session_id"] == "session-1"
    assert "opensesame" not in example.output


def test_stateful_remembers_the_turns_of_each_conversation(launch: Launch) -> None:
    """By the id that the client sends back as a further key of its message."""
    served = launch(EXAMPLES / "stateful", "--engine", "none").ready()

    def say(text: str, **more: str) -> dict[str, str]:
        body = {"messages": [{"role": "user", "content": text, **more}]}
        message: dict[str, str] = served.http.post("/invocations", json=body).json()["choices"][0]["message"]
        return message

    first, other = say("a"), say("b")
    assert first["conversation_id"] != other["conversation_id"]
    again = say("c", conversation_id=first["conversation_id"])
    assert again["content"] == "Turn 2. You began with: a"
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda number: say(str(number), conversation_id="x")["content"], range(20)))
    assert sorted(int(text.split()[1].strip(".")) for text in said) == list(range(1, 21))


def test_check_says_what_one_worker_means() -> None:
    found = " ".join(run("check", EXAMPLES / "stateful", HANDRAIL_ENGINE="none").stdout.split())
    assert "workers: 1 (max_concurrent_requests): one process runs one request after another" in found
