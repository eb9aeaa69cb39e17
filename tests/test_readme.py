"""What README and docs/start.md show runs as it stands, and what is built is what type checkers read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import samples
from tests.container.test_server import running

START = samples.START.read_text()
#: By the kind of each: a handler, the request that is sent to it, and what is answered.
STEPS = re.findall(
    r"```python\n(.+?)```.*?```sh\n[^`]*?curl [^`]*?-d '(.+?)'\n```.*?```(json|text)\n(.+?)\n```", START, re.DOTALL
)


async def test_its_first_handler_answers_whole_and_streamed(tmp_path: Path) -> None:
    """A body that does not fit its model is a 422 that names the field."""
    (tmp_path / "model.py").write_text(samples.samples()[0])
    body = {"question": "Hello!"}
    async with running(tmp_path, HANDRAIL_ENGINE="echo") as run:
        await run.answers(200)
        whole = await run.http.post("/invocations", json=body)
        streamed = await run.http.post("/invocations", json={**body, "stream": True})
        refused = await run.http.post("/invocations", json={"question": 5})
    assert whole.json() == {"text": "Hello!"}
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("data: [DONE]")
    assert refused.status_code == 422
    assert "body.question" in refused.json()["error"]["message"]


def test_readme_is_short() -> None:
    """A page to read on from; what it does not say stands in docs/."""
    assert len(samples.README.read_text().splitlines()) <= 150


def test_each_step_of_the_start_has_its_answer() -> None:
    assert len(STEPS) == START.count("```python\n") == 4


@pytest.mark.parametrize(("code", "body", "kind", "answer"), STEPS)
async def test_each_step_of_the_start_answers_as_it_says(
    tmp_path: Path, code: str, body: str, kind: str, answer: str
) -> None:
    (tmp_path / "model.py").write_text(code)
    async with running(tmp_path, HANDRAIL_ENGINE="echo") as run:
        await run.answers(200)
        got = await run.http.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    if kind == "text":
        assert got.text == answer
        return
    told, expected = got.json(), json.loads(answer)
    if "error" in expected:
        told["error"]["request_id"] = expected["error"]["request_id"]
    assert told == expected


def test_the_wheel_says_that_it_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=samples.ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("handrail-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"handrail/py.typed", "handrail_container/py.typed"} <= set(names)
