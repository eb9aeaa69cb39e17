"""Which line a worker's process is at, as far as it can be told."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest
from handrail.styles.definition.runner import NotText, TimedOut, WorkerDied
from handrail_container.program.workers.last_words import LastWords
from handrail_container.program.workers.pool import WorkerPool
from handrail_container.program.workers.raised import returned_at

from tests.container.workers.conftest import in_model_yaml

STACK = """\
Fatal Python error: Segmentation fault

Stack (most recent call first):
  File "/usr/lib/python3/ctypes.py", line 1 in string_at
  File "/ml/.venv/lib/site-packages/x.py", line 2 in f
  File "/ml/helper.py", line 3 in helper
  File "/ml/model.yaml", line 4 in run_inference
"""


@pytest.fixture
def words() -> Any:
    made = LastWords(Path("/ml"))
    yield made
    made.close_sink()
    made.close()
    made.close()


def test_the_innermost_line_of_its_own_is_told(words: LastWords) -> None:
    """Of the last stack: another may be of a process that it forked. Only a crash has one."""
    os.write(words.sink, STACK.replace("line 3", "line 33").encode())
    os.write(words.sink, STACK.encode())
    assert words.at(-11) == ""
    words.close()
    assert words.line == "/ml/helper.py:3"
    assert (words.at(-11), words.at(-9), words.at(3)) == (", at /ml/helper.py:3", "", "")


def test_a_pipe_that_is_full_keeps_nobody(words: LastWords) -> None:
    large = b"x" * (1 << 20)
    assert os.write(words.sink, large) < len(large)
    with pytest.raises(BlockingIOError):
        os.write(words.sink, large)


async def test_a_process_that_is_gone_says_nothing(words: LastWords) -> None:
    """Nor is an older crash taken for its answer."""
    os.write(words.sink, STACK.encode())
    assert await words.ask(2**22 + 1, polls=2) is None
    words.close()
    assert await words.ask(2**22 + 1, polls=2) is None


async def test_a_coroutine_that_waits_has_no_line(tmp_path: Path) -> None:
    """Its stack is the loop's."""
    pool = of(
        tmp_path, "import asyncio\nasync def run_inference(body, environment):\n    await asyncio.sleep(600)\n", 0.3
    )
    await pool.start()
    with pytest.raises(TimedOut, match=r"after 0\.3 s, which is its timeout$"):
        await pool.run("", request_id="r")
    await pool.stop()


async def test_a_crash_of_its_child_is_not_its_own(tmp_path: Path) -> None:
    source = (
        "import os, signal\ndef run_inference(body, environment):\n    child = os.fork()\n    if not child:\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n    os.waitpid(child, 0)\n    os._exit(4)\n"
    )
    pool = of(tmp_path, source)
    await pool.start()
    with pytest.raises(WorkerDied, match=r"exit status 4$"):
        await pool.run("", request_id="r")
    await pool.stop()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def run_inference(body, environment):\n    a = 1\n    return {}\n", r"a dict, .*model.yaml:6\): write `json"),
        ("def run_inference(body, environment): return b''\n", r"a bytes, .*model.yaml:4\): write `.decode"),
        ("def run_inference(body, environment):\n    'x'.upper()\n", r"a NoneType, .*:5\): write `return`"),
        (
            "def run_inference(body, environment):\n    if body:\n        return 1\n    return 2\n",
            r"a int, .*model.yaml:4\): write `json",
        ),
        ("run_inference = dict.fromkeys\n", r"a dict, not a str: write `json.dumps"),
    ],
)
async def test_what_is_no_text_is_named_with_its_return(tmp_path: Path, source: str, said: str) -> None:
    """Where there are several, with its `def`."""
    pool = of(tmp_path, source)
    await pool.start()
    with pytest.raises(NotText, match=said):
        await pool.run("", request_id="r")
    await pool.stop()


def test_what_returns_may_be_wrapped() -> None:
    def plain() -> int:
        return 1

    @functools.wraps(plain)
    def wrapped() -> int:
        return plain() + 1

    line = plain.__code__.co_firstlineno + 1
    assert returned_at(wrapped) == returned_at(plain) == f"{__file__}:{line}"


def of(folder: Path, source: str, timeout_s: float = 60.0) -> WorkerPool:
    """A pool whose snippet begins at the fourth line of a `model.yaml`."""
    made = in_model_yaml(folder)
    fields = {**vars(made), "source": source, "timeout_s": timeout_s}
    return WorkerPool(type(made)(**fields), 1, None)
