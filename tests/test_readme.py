"""What README shows runs as it stands, and what is built is what type checkers read."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.container.test_server import running

ROOT = Path(__file__).parents[1]


async def test_its_first_handler_answers_whole_and_streamed(tmp_path: Path) -> None:
    found = re.search(r"## Write a handler\n\n```python\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "model.py").write_text(found[1])
    body = {"messages": [{"role": "user", "content": "Hello!"}]}
    async with running(tmp_path, HANDRAIL_ENGINE="echo") as run:
        await run.answers(200)
        whole = await run.http.post("/invocations", json=body)
        streamed = await run.http.post("/invocations", json={**body, "stream": True})
    assert whole.json() == {"text": "Hello!"}
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("data: [DONE]")


def test_the_wheel_says_that_it_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("handrail-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"handrail/py.typed", "handrail_container/py.typed"} <= set(names)
