"""Standard output and error whose reader stops reading: whoever writes goes on, and what is lost is counted."""

from __future__ import annotations

import errno
import fcntl
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail_container.process import outlet as module
from handrail_container.process.outlet import Outlet

from tests.servers import HANDRAIL, environment, eventually, free_port, listens

pytestmark = pytest.mark.slow

MOST = 200_000
#: More than a pipe holds.
MUCH = b"x" * 99_999 + b"\n"


class Pipe:
    """An outlet into a pipe, and what its reader gets when it reads."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        self.outlet = Outlet(self.writes, "standard error", MOST)

    def read(self) -> bytes:
        return os.read(self.reads, 1_000_000)

    def read_all(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += self.read()
        return got

    def close_reader(self) -> None:
        os.close(self.reads)
        self.reads = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    if pipe.reads >= 0:
        pipe.close_reader()
    pipe.outlet.drain(10)
    os.close(pipe.writes)


def test_what_is_written_comes_out_in_order(pipe: Pipe) -> None:
    """And whoever writes has what a stream has."""
    assert [pipe.outlet.write(b"%d\n" % number) for number in range(10)] == [2] * 10
    assert pipe.read_all(20) == b"".join(b"%d\n" % number for number in range(10))
    assert (pipe.outlet.writable(), pipe.outlet.fileno(), pipe.outlet.isatty()) == (True, pipe.writes, False)


@pytest.mark.parametrize("blocks", [True, False])
def test_nobody_waits_for_a_reader_that_has_stopped(pipe: Pipe, blocks: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the bound lines are dropped; once it reads again, the log says how many. A pipe may be one that does not
    block, as its owner has it."""
    os.set_blocking(pipe.writes, blocks)
    assert fcntl.fcntl(pipe.writes, fcntl.F_GETFL) & os.O_NONBLOCK == (0 if blocks else os.O_NONBLOCK)
    for _ in range(5):
        pipe.outlet.write(MUCH)
    pipe.outlet.write(b"no line's end" + MUCH[1:-1])
    assert pipe.outlet.dropped == 4
    assert pipe.outlet._size <= MOST
    assert pipe.read_all(2 * len(MUCH)) == 2 * MUCH
    eventually(lambda: "4 lines of it were dropped" in caplog.text, "the log's word")
    pipe.outlet.write(b"again\n")
    assert pipe.read() == b"again\n"
    assert caplog.text.count("were dropped") == 1


def test_the_end_waits_for_a_slow_reader_and_not_for_one_that_has_stopped(pipe: Pipe) -> None:
    pipe.outlet.write(b"said\n")
    pipe.outlet.drain(60)
    assert pipe.read() == b"said\n"
    pipe.outlet.write(MUCH)
    began = time.monotonic()
    pipe.outlet.drain(0.1)
    assert 0.1 <= time.monotonic() - began < 30


def test_a_reader_that_has_gone_is_forgotten(pipe: Pipe) -> None:
    """Nothing is kept for it."""
    pipe.close_reader()
    for _ in range(3):
        pipe.outlet.write(MUCH)
        eventually(lambda: not pipe.outlet._size, "it to be written off")


def test_a_disk_that_is_full_is_tried_again(monkeypatch: pytest.MonkeyPatch, pipe: Pipe) -> None:
    """What does not fit is lost."""
    writes, write = iter(range(9)), os.write

    def full_once(fd: int, data: bytes) -> int:
        if next(writes):
            return write(fd, data)
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(module.os, "write", full_once)
    pipe.outlet.write(b"lost\n")
    eventually(lambda: not pipe.outlet._size, "it to be lost")
    pipe.outlet.write(b"kept\n")
    assert pipe.read() == b"kept\n"


def test_a_forked_child_writes_by_itself(pipe: Pipe) -> None:
    """It has no such thread; what waits is its parent's."""
    child = os.fork()
    if not child:
        pipe.outlet.write(b"from the child\n")
        pipe.outlet.drain(60)
        os._exit(0)
    os.waitpid(child, 0)
    assert pipe.read() == b"from the child\n"


@pytest.mark.parametrize("kind", ["pipe", "socket", "file", "no file", "none", "closed"])
def test_files_are_written_to_directly(tmp_path: Path, kind: str) -> None:
    """They have no reader that could stop."""
    if kind in ("no file", "none"):
        assert not module.may_block(io.TextIOWrapper(io.BytesIO()) if kind == "no file" else None)
        return
    if kind == "socket":
        ours, theirs = socket.socketpair()
        with ours, theirs, os.fdopen(os.dup(ours.fileno()), "w") as stream:
            assert module.may_block(stream)
        return
    reads, writes = os.pipe()
    with (tmp_path / "log").open("w") as file, os.fdopen(writes, "w") as pipe:
        assert module.may_block(pipe if kind == "pipe" else file) is (kind == "pipe")
    os.close(reads)
    assert not module.may_block(file)


def test_the_streams_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for who writes: the same encoding and buffering, and `buffer` for bytes. What is no pipe is left alone."""
    reads, writes = os.pipe()
    before = os.fdopen(writes, "w", encoding="latin-1", buffering=1)
    monkeypatch.setattr(sys, "stderr", before)
    monkeypatch.setattr(sys, "stdout", left := io.StringIO())
    module.install(MOST)
    assert sys.stdout is left
    print("é", file=sys.stderr)
    sys.stderr.buffer.write(b"bytes\n")
    module.last_words()
    assert os.read(reads, 100) == b"\xe9\nbytes\n"
    assert (sys.stderr.encoding, sys.stderr.line_buffering, sys.stderr.fileno()) == ("latin-1", True, writes)
    assert module.dropped() == 0
    before.close()
    os.close(reads)


CHATTY = "def custom_sagemaker_invocation_handler():\n    print('said ' * 200)\n    return 'done'\n"


class Deaf:
    """A server whose standard output and error are pipes that nobody reads."""

    def __init__(self, folder: Path, **given: str) -> None:
        self.port = free_port()
        command = [HANDRAIL, "serve", folder, "--engine", "echo", "--host", "127.0.0.1", "--port", str(self.port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment(given), stdout=pipe, stderr=pipe)
        eventually(lambda: listens(self.port), "it to listen")
        eventually(lambda: self.asks("/ping") == 200, "it to be ready")

    def asks(self, path: str, times: int = 1) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(times):
            connection.request("GET" if path != "/invocations" else "POST", path)
            answer = connection.getresponse()
            answer.read()
        connection.close()
        return answer.status


@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end(tmp_path: Path, form: str) -> None:
    """Several times what pipe and buffer hold: lines of the access log, and a handler's `print`."""
    (tmp_path / "model.py").write_text(CHATTY)
    given = {"HANDRAIL_ACCESS_LOG": "all", "HANDRAIL_LOG_BUFFER_MB": "0.05", "HANDRAIL_DRAIN_S": "1"}
    served = Deaf(tmp_path, HANDRAIL_LOG_FORMAT=form, **given)
    try:
        assert served.asks("/invocations", 600) == 200
        assert served.asks("/nowhere", 3000) == 404
        assert served.asks("/ping") == 200
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) == 0
        assert time.monotonic() - began < 20
    finally:
        served.process.kill()
        served.process.communicate()


def test_what_was_dropped_is_said_and_counted(tmp_path: Path) -> None:
    """Once it is read again; the lines that were kept are whole, and the last ones come before the exit."""
    served = Deaf(tmp_path, HANDRAIL_ACCESS_LOG="all", HANDRAIL_LOG_BUFFER_MB="0.1", HANDRAIL_LOG_FORMAT="json")
    try:
        served.asks("/nowhere", 2000)
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
        connection.close()
        (counted,) = [line for line in metrics.splitlines() if line.startswith("handrail_log_dropped_total")]
        assert float(counted.split()[1]) > 100
        served.process.send_signal(signal.SIGTERM)
    finally:
        _, log = served.process.communicate(timeout=60)
    messages = [json.loads(line)["message"] for line in log.decode().splitlines()]
    assert any("standard error was not read for a while" in message for message in messages)
    assert served.process.returncode == 0
