"""What a snippet meets in its process, and what is left of one that goes wrong."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from handrail.core.errors import LoadFailed
from handrail.styles.definition.runner import NotText, SnippetRaised, TimedOut, WorkerDied
from handrail_container.program.workers import processes
from handrail_container.program.workers.pool import WorkerPool
from handrail_container.program.workers.worker import Worker
from hypothesis import given
from hypothesis import strategies as st

from tests.container.workers.conftest import SNIPPETS, MakePool, in_model_yaml, snippet, workers_alive
from tests.servers import eventually, has_ended

pytestmark = pytest.mark.slow

SHORT_S = 0.3


def line_of(text: str) -> int:
    """Of the snippet that does as it is told."""
    lines = (SNIPPETS / "does_as_told.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@given(st.lists(st.text(st.characters()), max_size=20))
def test_any_text_comes_back_as_it_went(bodies: list[str]) -> None:
    async def run() -> None:
        pool = in_one_worker[0]
        for body in bodies:
            assert await pool.run(f"echo {body}", request_id="r") == body

    in_one_worker[1].run(run())


in_one_worker: tuple[WorkerPool, asyncio.Runner]


@pytest.fixture(autouse=True, scope="module")
def _one_worker() -> object:
    """For tests that cannot wait for one each."""
    global in_one_worker
    with asyncio.Runner() as runner:
        pool = WorkerPool(snippet(), 1, None)
        runner.run(pool.start())
        in_one_worker = pool, runner
        yield
        runner.run(pool.stop())


async def test_large_bodies_and_answers_pass(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    body = "é" * 12_500_000
    assert await pool.run(f"echo {body}", request_id="r") == body


async def test_a_worker_is_kept(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    (first, one), (second, two) = [(await pool.run("count", request_id="r")).split() for _ in range(2)]
    assert (first, one, two) == (second, "1", "2")


async def test_siblings_can_be_imported(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    assert await pool.run("neighbour", request_id="r") == "neighbour"


async def test_the_environment_is_a_fresh_copy(make_pool: MakePool) -> None:
    """Of the values as they are, and the process's own environment has none of it."""
    pool = make_pool(environment={"MODE": "a", "n": 5, "x": 0.5, "on": True})
    await pool.start()
    answers = {await pool.run("environment", request_id="r") for _ in range(2)}
    assert answers == {'{"MODE": "a", "n": 5, "on": true, "x": 0.5} False'}


async def test_the_sample_is_passed_on(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    assert json.loads(await pool.run("sample", request_id="r", sample={"id": 1})) == {"id": 1}
    assert json.loads(await pool.run("sample", request_id="r")) is None


async def test_a_coroutine_runs_on_one_loop(make_pool: MakePool) -> None:
    pool = make_pool("keeps_its_loop")
    await pool.start()
    assert [await pool.run("", request_id="r") for _ in range(3)] == ["1", "1", "1"]


async def test_standard_input_is_empty(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    assert await pool.run("input", request_id="r") == "''"


async def test_what_it_raises_is_told_with_its_place(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    with pytest.raises(SnippetRaised, match="ValueError: on purpose") as raised:
        await pool.run("raise on purpose", request_id="r")
    source = (SNIPPETS / "does_as_told.py").read_text().splitlines()
    file, _, line = raised.value.where.rpartition(":")
    assert file == str(SNIPPETS / "does_as_told.py")
    assert source[int(line) - 1].strip() == "raise ValueError(rest)"
    assert raised.value.traceback.splitlines()[1].endswith("in run_inference")


async def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    pool = WorkerPool(in_model_yaml(tmp_path), 1, None)
    await pool.start()
    with pytest.raises(SnippetRaised) as raised:
        await pool.run("gone", request_id="r")
    await pool.stop()
    assert raised.value.where == f"{tmp_path / 'model.yaml'}:5"
    assert "raise KeyError(body)" in raised.value.traceback


async def test_an_exit_is_an_error_and_not_the_end(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    before = await pool.run("count", request_id="r")
    with pytest.raises(SnippetRaised, match="SystemExit: 3"):
        await pool.run("leave 3", request_id="r")
    assert (await pool.run("count", request_id="r")).split()[0] == before.split()[0]


async def test_what_is_no_text_is_refused(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    # The function that returns is the one called run_inference.
    where = f"{SNIPPETS / 'does_as_told.py'}:{line_of('return globals()')}"
    with pytest.raises(NotText, match=rf"returned a int, not a str \({where}\): write `json.dumps"):
        await pool.run("number", request_id="r")


async def test_of_a_fork_only_the_parent_answers(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    assert await pool.run("fork", request_id="r") == "parent"
    assert await pool.run("echo next", request_id="r") == "next"


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("exit 3", "exit status 3"),
        ("exit 0", "exit status 0"),
        ("segfault", f"signal SIGSEGV, at {SNIPPETS / 'does_as_told.py'}:{line_of('ctypes.string_at(0)')}"),
        ("kill", "signal SIGKILL, which the system sends where memory runs out"),
        ("leave_child", "exit status 5"),
        ("close_everything 0", "exit status 1"),
        ("close_everything 600", "signal SIGTERM"),
    ],
)
async def test_a_death_costs_one_request(make_pool: MakePool, body: str, how: str) -> None:
    pool = make_pool()
    await pool.start()
    results = await asyncio.gather(
        *(pool.run(one, request_id="r") for one in (body, "echo next", "echo last")), return_exceptions=True
    )
    assert isinstance(results[0], WorkerDied)
    assert results[0].how == how
    assert results[1:] == ["next", "last"]
    assert pool.is_healthy


async def test_nonsense_on_its_connection_costs_one_request(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    with pytest.raises(ValueError, match="Expecting value"):
        await pool.run("forge", request_id="r")
    assert await pool.run("echo next", request_id="r") == "next"


@pytest.mark.parametrize("body", ["spin", "spin_deaf", "sleep 600"])
async def test_the_deadline_stops_whatever_it_does(make_pool: MakePool, body: str) -> None:
    """Three in a row, each in its time, and nothing stays behind."""
    pool = make_pool(timeout_s=SHORT_S)
    await pool.start()
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(
            TimedOut, match=r"stopped after 0\.3 s, which is its timeout, at .*does_as_told\.py:\d+$"
        ) as out:
            await pool.run(body, request_id="r")
        at = (SNIPPETS / "does_as_told.py").read_text().splitlines()[int(str(out.value).rpartition(":")[2]) - 1]
        assert at.strip() in ("while True:", "pass", "time.sleep(float(rest))")
        assert time.monotonic() - began < 3 * (SHORT_S + 2)  # the third of what queues behind a replacement
        assert await pool.run("echo next", request_id="r") == "next"


async def test_the_deadline_ends_the_processes_it_started(make_pool: MakePool, tmp_path: Path) -> None:
    pool = make_pool(timeout_s=1.0)
    await pool.start()
    with pytest.raises(TimedOut):
        await pool.run(f"spawn_and_spin {tmp_path / 'ids'}", request_id="r")
    await pool.stop()
    for pid in json.loads((tmp_path / "ids").read_text()):
        eventually(lambda pid=pid: has_ended(pid), "it to end")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises_on_import", r"raises_on_import\.py:1 failed to import: ModuleNotFoundError: No module"),
        ("exits_on_import", r"exits_on_import\.py:1 the snippet ended its process .*: exit status 9\."),
        ("never_imported", r"never_imported\.py:1 the snippet was not imported after 0\.5 s\."),
    ],
)
async def test_one_that_cannot_be_imported_is_refused(make_pool: MakePool, name: str, message: str) -> None:
    pool = make_pool(name, load_limit_s=0.5 if name == "never_imported" else 120)
    with pytest.raises(LoadFailed, match=message):
        await pool.start()
    assert not pool.is_healthy


async def test_a_refusal_has_the_authors_traceback(make_pool: MakePool) -> None:
    with pytest.raises(LoadFailed) as refused:
        await make_pool("raises_on_import").start()
    assert refused.value.user_traceback.splitlines()[1].strip().startswith(f'File "{SNIPPETS}')


async def test_without_a_process_it_says_so(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handrail_container.program.workers.worker._COMMAND", ("/no/such/python",))
    with pytest.raises(LoadFailed, match="has no process to run in"):
        await make_pool().start()


async def test_a_start_that_is_cancelled_leaves_nothing(make_pool: MakePool) -> None:
    before = workers_alive()
    starting = asyncio.create_task(make_pool("never_imported").start())
    while workers_alive() == before:
        await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert workers_alive() == before


PARENT = """
import asyncio, sys
from tests.container.workers.conftest import snippet
from handrail_container.program.workers import processes
from handrail_container.program.workers.pool import WorkerPool
from handrail_container.program.workers.worker import Worker

async def main():
    pool = WorkerPool(snippet(workers=2), 1, None)
    await pool.start()
    print((await pool.run("count", request_id="r")).split()[0], flush=True)
    await asyncio.gather(*(pool.run("spin", request_id="r") for _ in range(2)))

asyncio.run(main())
"""


def test_workers_die_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert not has_ended(worker)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        eventually(lambda: bool(has_ended(worker)), "the worker to end")


def test_a_worker_without_a_parent_ends() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    command = [sys.executable, "-m", "handrail_container.program.workers.child", "2"]
    with theirs:
        assert subprocess.run(command, stdin=theirs, timeout=60, check=False).returncode == 0


async def test_one_that_never_was_is_not_ended() -> None:
    await Worker(snippet(), None).kill()
    assert processes.descendants(_ended()) == []


def _ended() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid
