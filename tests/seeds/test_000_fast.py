"""Seed 000, "Custom engine builder": its Model, word for word, on the echo engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Launch
from tests.examples import EXAMPLES
from tests.servers import Served

SEED = (Path(__file__).parent / "000_custom_engine_builder.md").read_text()
TRUSS = EXAMPLES / "fan_out"
ECHO = {"HANDRAIL_ENGINE": "echo", "HANDRAIL_ECHO_TTFT_MS": "5", "PYTHONUNBUFFERED": "1"}
MESSAGES = [{"role": "system", "content": "shared"}]


def block(heading: str) -> str:
    found = re.search(rf"^```\w+ {re.escape(heading)} [^\n]*\n(.*?)^```", SEED, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def suffixes(count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"suffix number {i}"}] for i in range(count)]


@pytest.fixture(scope="module")
def fan_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(TRUSS, tmp_path_factory.mktemp("logs") / "log", **ECHO)
    yield served.ready()
    served.stop()


def test_the_example_is_the_seeds_to_the_letter() -> None:
    """Of the configuration, only the lines of the gated model are out."""
    assert (TRUSS / "model" / "model.py").read_text() == block("model/model.py")
    ours = [line for line in (TRUSS / "config.yaml").read_text().splitlines() if not line.lstrip().startswith("#")]
    theirs = [line for line in block("config.yaml").splitlines() if line not in ours]
    assert [line.strip().partition(":")[0] for line in theirs] == ["checkpoint_repository", "source", "repo"]


@pytest.mark.parametrize("path", ["/invocations", "/predict", "/v1/chat/completions", "/sync/v1/chat/completions"])
def test_each_choice_answers_its_own_suffix(fan_out: Served, path: str) -> None:
    """The Model gives the engine one dict, and changes it between the calls."""
    answer = fan_out.http.post(path, json={"messages": MESSAGES, "suffix_messages": suffixes(4)}).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert [choice["message"]["content"] for choice in answer["choices"]] == [f"suffix number {i}" for i in range(4)]


@pytest.mark.parametrize("count", [1, 4, 256])
def test_usage_is_summed_as_the_seed_does(fan_out: Served, count: int) -> None:
    """It counts the first generation twice."""
    asked = {"messages": MESSAGES, "suffix_messages": suffixes(count), "model": "any"}
    answer = fan_out.http.post("/predict", json=asked, headers={"X-Request-Id": "one", "X-Debug-ID": "d"}).json()
    assert len(answer["choices"]) == count
    assert answer["usage"] == {"prompt_tokens": 3 * (count + 1), "completion_tokens": 3 * (count + 1)} | {
        "total_tokens": 6 * (count + 1)
    }


def test_the_first_generation_ends_before_the_rest_begin(fan_out: Served) -> None:
    """As the Model itself tells where it is asked to."""
    asked = {"messages": MESSAGES, "suffix_messages": suffixes(3)}
    fan_out.http.post("/predict", json=asked, headers={"X-Debug-ID": "order"}).raise_for_status()
    fan_out.http.post("/predict", json=asked, headers={"X-Debug-ID": "later"})  # what is printed comes in time
    lines = [line.split()[:4] for line in fan_out.stdout.splitlines() if line.split()[2:3] == ["order"]]
    assert [(line[0], line[3]) for line in lines[:4]] == [
        *(("Running", "0"), ("Result", "0"), ("Running", "1"), ("Running", "2"))
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, 'Request must include "messages" field.'),
        ({"prompt": "a"}, 'Use "messages" instead of "prompt" for chat models.'),
        ({"messages": "a"}, '"messages" must be a list of messages.'),
        ({"messages": []}, '"suffix_messages" must be a list of tasks (each task is a list of messages).'),
        ({"messages": [], "stream": True}, "stream=true is not supported here; set stream=false."),
        ([1], "Request body must be a JSON object."),
    ],
)
def test_the_errors_are_the_seeds(fan_out: Served, body: Any, said: str) -> None:
    """Each is a 400 with its sentence."""
    answer = fan_out.http.post("/predict", json=body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, said)


ADDED = ["import time", "from typing import Any, Dict", "from fastapi import Request"]


def test_tracing_is_the_seeds_to_the_letter_but_for_its_imports() -> None:
    snippet = re.search(r"^### Request tracing\n+```[^\n]*\n(.*?)^```", SEED, re.DOTALL | re.MULTILINE)
    assert snippet
    ours = (EXAMPLES / "tracing" / "model" / "model.py").read_text().splitlines()
    assert [line for line in ours if line not in ADDED] == snippet[1].splitlines()
    assert [line for line in ours if line in ADDED] == ADDED


def test_tracing_prints_when_a_request_begins_and_ends(launch: Launch) -> None:
    """Under the client's id, else one of its own; also where the engine refuses."""
    served = launch(EXAMPLES / "tracing", PYTHONUNBUFFERED="1").ready()
    chat = {"messages": [{"role": "user", "content": "a"}]}
    assert served.http.post("/predict", json=chat, headers={"X-Request-ID": "mine"}).status_code == 200
    assert served.http.post("/predict", json={}, headers={"X-Request-ID": "bad"}).status_code == 400
    assert served.http.post("/predict", json=chat).status_code == 200
    lines = [line for line in served.stdout.splitlines() if line.startswith("[TRACE]")]
    assert [re.sub(r"[\d.]+s\)", "s)", line) for line in lines[:4]] == [
        *("[TRACE] Start: mine", "[TRACE] End: mine (duration: s)"),
        *("[TRACE] Start: bad", "[TRACE] End: bad (duration: s)"),
    ]
    assert re.fullmatch(r"\[TRACE\] Start: [0-9a-f-]{36}", lines[4])


def test_tracing_is_switched_off_by_an_empty_variable_alone(launch: Launch) -> None:
    """Any text counts as true in the seed."""
    for value, is_on in [("false", True), ("", False)]:
        served = launch(EXAMPLES / "tracing", PYTHONUNBUFFERED="1", enable_tracing=value).ready()
        served.http.post("/predict", json={"messages": []})
        assert ("[TRACE]" in served.stdout) is is_on
