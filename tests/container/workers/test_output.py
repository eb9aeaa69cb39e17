from __future__ import annotations

import asyncio
import logging
import os
from itertools import pairwise

import pytest
from handrail_container.process import log_lines
from handrail_container.program.workers.output import Output
from handrail_container.program.workers.printed import LINES_A_SECOND, LINES_A_TURN

from tests.container.workers.conftest import MakePool

LINE = b"x" * 999 + b"\n"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "handrail.snippet"]


@pytest.fixture(autouse=True)
def _at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


async def test_what_is_printed_is_logged_before_the_answer(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    """By Python, by a system call, by a process of its own; and the answer is not among it."""
    pool = make_pool()
    await pool.start()
    assert await pool.run("print done", request_id="r-1") == "done"
    assert lines(caplog) == [f"{text}, request_id=r-1" for text in ("one", "two", "three", "\\xff", "no end")]


async def test_a_long_line_comes_in_pieces(make_pool: MakePool, caplog: pytest.LogCaptureFixture) -> None:
    pool = make_pool()
    await pool.start()
    assert await pool.run("print_long 300000", request_id="r-1") == "300000"
    assert sum(line.count("x") for line in lines(caplog)) == 300000
    assert max(map(len, lines(caplog))) < 200000


async def test_the_words_of_one_that_is_stopped_are_logged(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(timeout_s=0.3)
    await pool.start()
    with pytest.raises(Exception, match=r"stopped after 0\.3 s"):
        await pool.run("spin_deaf", request_id="r-2")
    await pool.stop()
    assert lines(caplog) == ["deaf, request_id=r-2"]


async def test_what_belongs_to_no_call_has_no_request_id(caplog: pytest.LogCaptureFixture) -> None:
    output = Output()
    os.write(output.sink, b"between\n")
    output.close_sink()
    while not lines(caplog):
        await asyncio.sleep(0)
    output.close()
    output.close()
    assert lines(caplog) == ["between"]


async def test_one_that_never_stops_printing_is_left_in_time(caplog: pytest.LogCaptureFixture) -> None:
    output = Output()
    printing = asyncio.get_running_loop().run_in_executor(None, lambda: os.write(output.sink, LINE * 4_000))
    output.catch_up()
    assert len(lines(caplog)) < 2_000
    await printing
    output.close_sink()
    output.close()


async def test_what_waits_in_the_pipe_is_read_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """More than one piece at a time holds, before the loop hears of it."""
    output = Output()
    os.write(output.sink, LINE * 60)
    output.catch_up()
    assert len(lines(caplog)) == 60
    output.close_sink()
    output.close()


async def told(caplog: pytest.LogCaptureFixture, text: str = "dropped") -> str:
    """The line with `text`, by default the one that says how many were dropped."""
    async with asyncio.timeout(30):
        while True:
            for line in lines(caplog):
                if text in line:
                    return line
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("many", [LINES_A_TURN - 1, LINES_A_SECOND, 60_000])
async def test_one_turn_of_the_loop_logs_some_hundred_lines(caplog: pytest.LogCaptureFixture, many: int) -> None:
    """Each of a client's line breaks may be a line. What a second does not allow is dropped, and said once."""
    output = Output()
    output.request_id = "r-1"
    os.write(output.sink, b"\n" * many)
    turns = [0]
    async with asyncio.timeout(30):
        while turns[-1] < min(many, LINES_A_SECOND):
            await asyncio.sleep(0)
            turns.append(lines(caplog).count(", request_id=r-1"))
    assert max(after - before for before, after in pairwise(turns)) <= LINES_A_TURN
    output.request_id = None
    output.close_sink()
    output.close()
    said = [line for line in lines(caplog) if line != ", request_id=r-1"]
    assert [line.split()[0] for line in said] == ([str(many - LINES_A_SECOND)] if many > LINES_A_SECOND else [])


async def test_the_next_second_logs_again(caplog: pytest.LogCaptureFixture) -> None:
    output = Output()
    os.write(output.sink, b"\n" * 60_000)
    assert str(60_000 - LINES_A_SECOND) in await told(caplog)
    os.write(output.sink, b"after\n")
    assert await told(caplog, "after") == "after"
    output.close_sink()
    output.close()


async def test_lines_of_later_turns_are_not_logged_as_those_of_another_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log adds the id of the task in which a line is logged, which may be that of a later call."""
    output, seen = Output(), set()

    def note(record: logging.LogRecord) -> bool:
        seen.add(log_lines.request_id.get())
        return True

    log_lines.request_id.set("another")
    os.write(output.sink, b"\n" * 60_000)
    caplog.handler.addFilter(note)
    try:
        await told(caplog)
    finally:
        caplog.handler.removeFilter(note)
    output.close_sink()
    output.close()
    assert seen == {""}


async def test_long_lines_have_a_bound_too(caplog: pytest.LogCaptureFixture) -> None:
    """A mebibyte a second; what is within it is logged whole."""
    output = Output()
    for _ in range(40):
        os.write(output.sink, b"x" * 50_000 + b"\n")
        output.catch_up()
    output.close_sink()
    output.close()
    assert [line for line in lines(caplog) if "x" * 10 in line] == ["x" * 50_000] * 20
    assert (await told(caplog)).startswith("20 lines")


async def test_an_answer_does_not_wait_for_what_is_printed(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that prints 300,000 lines is answered with a few of them in the log, and the rest is counted."""
    pool = make_pool()
    await pool.start()
    assert await pool.run("print_lines 300000", request_id="r-1") == "300000"
    assert len(lines(caplog)) < 20_000
    await told(caplog)
