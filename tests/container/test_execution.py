"""What a batch transform asks before it sends anything, and paths that are nearly right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from handrail_container.routes.execution_parameters import parameters
from handrail_container.settings.fields import Settings
from hypothesis import given
from hypothesis import strategies as st

from tests.container.test_server import running
from tests.servers import SCRIPTS

TOGETHER_MB = 100


async def test_it_is_answered_as_sagemaker_reads_it() -> None:
    """By any program, and by GET alone."""
    async with running(SCRIPTS, HANDRAIL_ENGINE="echo", CUSTOM_SCRIPT_FILENAME="who_answers.py") as served:
        await served.answers(200)
        answer = await served.http.get("/execution-parameters")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {
            "MaxConcurrentTransforms": 16,
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": 6,
        }
        assert (await served.http.post("/execution-parameters")).status_code == 405


async def test_while_it_loads_it_is_503(tmp_path: Path) -> None:
    """As everything but the state and the metrics."""
    async with running(tmp_path, HANDRAIL_ENGINE="echo", HANDRAIL_ECHO_LOAD_S="30") as served:
        await served.answers(503, "/execution-parameters")


@given(body=st.floats(0.1, 4096), concurrency=st.integers(1, 4096))
def test_no_job_sends_more_than_it_may(body: float, concurrency: int) -> None:
    """Nor more than is taken. The least that can be said is 1 MB: 0 would say that there is no limit."""
    given: Any = {"HANDRAIL_MAX_BODY_MB": body, "HANDRAIL_MAX_CONCURRENCY": concurrency}
    said = json.loads(bytes(parameters(Settings(**given)).body))
    payload, many = said["MaxPayloadInMB"], said["MaxConcurrentTransforms"]
    assert 1 <= payload <= max(body, 1)
    assert 1 <= many <= concurrency
    assert payload * many <= TOGETHER_MB


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/ping/", "/ping"),
        ("/invocations/", "/invocations"),
        ("/invocation", "/invocations"),
        ("/Invocations", "/invocations"),
        ("/models", "/v1/models"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/execution_parameters", "/execution-parameters"),
        ("/elsewhere", None),
        ("/" + "invocations" * 100, None),
    ],
)
async def test_a_path_that_is_nearly_right_is_404_and_names_the_right_one(path: str, meant: str | None) -> None:
    async with running(SCRIPTS, HANDRAIL_ENGINE="echo", CUSTOM_SCRIPT_FILENAME="who_answers.py") as served:
        await served.answers(200)
        answer = await served.http.get(path)
    assert answer.status_code == 404
    hint = f": did you mean {meant}?" if meant else ""
    assert answer.json()["error"]["message"] == f"there is no {path}{hint}"
