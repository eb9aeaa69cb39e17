"""In each style, at each place of a script, with either engine: an unmodified script answers as with plain vLLM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from handrail_container.engine.vllm import VllmBackend

from tests.vllm.adoption import oracle, written
from tests.vllm.adoption.conftest import Adopted, Serve
from tests.vllm.conftest import MODEL

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.xdist_group("adoption"),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:\\s*on_event is deprecated:DeprecationWarning"),  # a script's
]
#: Rows at each of whose places the engine starts by a construction that only runs then.
UNSAID = {("decorators", "start"), ("truss", "init"), ("truss", "load"), ("app", "start"), ("app", "guard")}
UNSAID |= {("inference_toolkit", "load"), ("lmi", "start"), ("endpoint_handler", "init")}
PROMPTS = ["Hello", "The sun is", "One two three"]


@pytest.fixture(scope="session")
def expected() -> Mapping[str, list[int]]:
    """What plain vLLM answers to each prompt."""
    command = [sys.executable, oracle.__file__, str(MODEL), json.dumps(PROMPTS)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=dict(os.environ))
    said = [line for line in ran.stdout.splitlines() if line.startswith("TOKENS ")]
    assert said, ran.stderr[-4000:]
    return dict(zip(PROMPTS, json.loads(said[0].removeprefix("TOKENS ")), strict=True))


@pytest.fixture(scope="session")
def processes(engine: VllmBackend) -> set[int]:
    """The processes of the one engine."""
    return _processes()


def _processes() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.parametrize(("style", "way", "form"), written.ROWS, ids=lambda row: getattr(row, "name", row))
async def test_a_script_that_builds_its_engine(
    style: str,
    way: str,
    form: written.Form,
    serve: Serve,
    tmp_path: Path,
    expected: Mapping[str, list[int]],
    processes: set[int],
) -> None:
    folder = written.write(tmp_path, style, way, form)
    async with serve(folder, MODEL=str(MODEL)) as adopted:
        await _answers(adopted, style, expected)
        assert adopted.flags == {**written.FLAGS, "SM_VLLM_MODEL": str(MODEL)}
        assert _processes() <= processes


@pytest.mark.parametrize(
    ("style", "way", "form"),
    [row for row in written.ROWS if row[:2] in UNSAID],
    ids=lambda row: getattr(row, "name", row),
)
async def test_a_script_whose_text_does_not_say_the_arguments(
    style: str, way: str, form: written.Form, serve: Serve, tmp_path: Path, expected: Mapping[str, list[int]]
) -> None:
    folder = written.write(tmp_path, style, way, form, is_unsaid=True)
    async with serve(folder, MODEL=str(MODEL)) as adopted:
        await _answers(adopted, style, expected)
        assert adopted.flags == {**written.FLAGS, "SM_VLLM_MODEL": str(MODEL)}


async def _answers(adopted: Adopted, style: str, expected: Mapping[str, list[int]]) -> None:
    for prompt, token_ids in expected.items():
        answer = await adopted.invoke(written.asked(style, prompt), written.STYLES[style].path)
        answer = answer[0] if isinstance(answer, list) else answer
        assert answer == {"token_ids": token_ids, "prompt": prompt}
    assert adopted.unfinished() == 0
