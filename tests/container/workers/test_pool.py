from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from handrail.styles.definition.runner import Busy, SnippetRaised, TimedOut, WorkerDied
from handrail_container.program.workers.pool import WorkerPool

from tests.container.workers.conftest import MakePool, workers_alive
from tests.servers import eventually, has_ended

pytestmark = pytest.mark.slow

KINDS = ("echo", "raise", "sleep", "exit")


async def until(happens: object, what: str) -> None:
    deadline = time.monotonic() + 60
    while not happens():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


async def outcome(pool: WorkerPool, number: int) -> tuple[str, object]:
    """What a call of a kind ends with: the kind, and whether it is the right one."""
    kind = "echo" if number % 10 else KINDS[1 + number // 10 % 3]
    body = {"echo": f"echo {number}", "raise": f"raise {number}", "sleep": "sleep 600", "exit": "exit 3"}[kind]
    try:
        return kind, await pool.run(body, request_id=str(number)) == str(number)
    except SnippetRaised as error:
        return kind, kind == "raise" and error.message == str(number)
    except TimedOut:
        return kind, kind == "sleep"
    except WorkerDied as error:
        return kind, kind == "exit" and error.how == "exit status 3"


async def mixed(pool: WorkerPool, calls: int) -> Counter[tuple[str, object]]:
    return Counter(await asyncio.gather(*(outcome(pool, number) for number in range(calls))))


async def test_every_caller_gets_one_answer_of_the_right_kind(make_pool: MakePool) -> None:
    pool = make_pool(timeout_s=1.5, workers=4)
    await pool.start()
    seen = await mixed(pool, 150)
    assert all(is_right for _, is_right in seen)
    assert {kind for kind, _ in seen} == set(KINDS)
    assert seen.total() == 150


async def test_twenty_stops_leave_nothing_behind(make_pool: MakePool) -> None:
    """As many processes as before, and no more files open."""
    pool = make_pool(timeout_s=0.2, workers=4)
    await pool.start()
    # No call is a part of this: on a busy machine it may take longer than the time that it has.
    await until(lambda: len(pool._idle) == 4, "all to be there")
    before, files = workers_alive(), psutil.Process().num_fds()
    results = await asyncio.gather(*(pool.run("spin", request_id="r") for _ in range(20)), return_exceptions=True)
    assert [type(result) for result in results] == [TimedOut] * 20
    await until(lambda: workers_alive() == before and psutil.Process().num_fds() <= files, "all to be as before")


async def test_workers_work_side_by_side(make_pool: MakePool) -> None:
    pool = make_pool(workers=3)
    await pool.start()
    await asyncio.gather(*(pool.run("sleep 0.3", request_id="r") for _ in range(6)))
    pids = {(await pool.run("count", request_id="r")).split()[0] for _ in range(3)}
    assert workers_alive() == 3
    assert len(pids) == 1  # an idle pool asks the one that was used last


async def test_a_full_queue_is_busy(make_pool: MakePool) -> None:
    pool = make_pool(queue_limit=2)
    await pool.start()
    await pool.run("sleep 0.6", request_id="r")
    running = [asyncio.create_task(pool.run("sleep 0.6", request_id="r")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as busy:
        await pool.run("echo no", request_id="r")
    assert busy.value.retry_after_s == 2  # three calls of 0.6 s, in whole seconds
    assert await asyncio.gather(*running) == ["0.6"] * 3


async def test_one_that_leaves_the_queue_frees_its_place(make_pool: MakePool) -> None:
    pool = make_pool(queue_limit=1)
    await pool.start()
    running = asyncio.create_task(pool.run("sleep 0.3", request_id="r"))
    waiting = asyncio.create_task(pool.run("echo no", request_id="r"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert await pool.run("echo yes", request_id="r") == "yes"
    assert running.done()


async def test_one_that_leaves_its_worker_is_not_waited_for(make_pool: MakePool) -> None:
    """The worker takes the next call when it is done with this one."""
    pool = make_pool()
    await pool.start()
    pid = (await pool.run("count", request_id="r")).split()[0]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.run("sleep 0.3", request_id="r"), 0.1)
    assert await pool.run("count", request_id="r") == f"{pid} 3"


async def test_what_is_no_json_is_the_callers_mistake(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    with pytest.raises(TypeError):
        await pool.run("echo", request_id="r", sample=object())


async def test_stopping_ends_what_runs_and_what_waits(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.start()
    calls = [asyncio.create_task(pool.run("sleep 600", request_id="r")) for _ in range(2)]
    await asyncio.sleep(0.1)
    await pool.stop()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(error) for error in ended] == [
        "the worker that ran run_inference ended: signal SIGTERM",
        "the worker that ran run_inference ended: the server is stopping",
    ]
    assert workers_alive() == 0
    assert not pool.is_healthy
    with pytest.raises(WorkerDied, match="the server is stopping"):
        await pool.run("echo", request_id="r")


async def test_an_idle_worker_that_ends_costs_no_request(make_pool: MakePool) -> None:
    pool = make_pool("does_as_told")
    await pool.start()
    pid = int((await pool.run("count", request_id="r")).split()[0])
    process = psutil.Process(pid)
    process.kill()
    eventually(lambda: has_ended(process.pid), "it to end")
    # The loop has not turned since, and does not know.
    assert int((await pool.run("count", request_id="r")).split()[0]) != pid


async def test_a_crash_loop_is_told_and_left(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crash = tmp_path / "crash"
    monkeypatch.setitem(os.environ, "CRASH_FILE", str(crash))
    pool = make_pool("crashes_while_told")
    await pool.start()
    crash.touch()
    calls = [pool.run(body, request_id="r") for body in ("crash", "x", "x")]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in ended] == [WorkerDied] * 3
    assert "no other can be started" in str(ended[1])
    assert not pool.is_healthy
    assert "is tried again and again" in caplog.text
    with pytest.raises(WorkerDied, match="exit status 4"):
        await pool.run("x", request_id="r")
    crash.unlink()
    await until(lambda: pool.is_healthy, "a worker")
    assert await pool.run("x", request_id="r") == "x"


async def test_crashes_of_calls_are_no_crash_loop(make_pool: MakePool) -> None:
    """A client may cause them. Each costs its call, the next worker is started at once; health is that of starts."""
    pool = make_pool()
    await pool.start()
    for _ in range(6):
        with pytest.raises(WorkerDied, match=r": exit status 3$"):
            await pool.run("exit 3", request_id="r")
        assert pool.is_healthy
    assert await pool.run("echo next", request_id="r") == "next"


async def test_workers_that_end_while_idle_are_a_crash_loop(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = tmp_path / "crash"
    monkeypatch.setitem(os.environ, "CRASH_FILE", str(crash))
    pool = make_pool("ends_while_idle")
    await pool.start()
    assert await pool.run("x", request_id="r") == "x"
    crash.touch()
    await until(lambda: not pool.is_healthy, "it to be told")


async def test_an_idle_worker_that_will_not_end_is_ended(make_pool: MakePool) -> None:
    pool = make_pool("lingers")
    await pool.start()
    assert await pool.run("x", request_id="r") == "x"
    await pool.stop()
    assert workers_alive() == 0
