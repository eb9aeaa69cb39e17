"""`handrail` commands in processes that are forked from one which has imported everything.

A test starts hundreds of servers, and half a second of each start is imports. A forked process is a real one: it has
its own id, signals, exit status, environment and files. What depends on how an interpreter starts (its flags, its
search path, vLLM's own processes) is started anew, by `start`.

One server of forks serves a test session. It is this file run as a program, and ends when its standard input closes.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

#: Variables that an interpreter or the system's loader reads when a process starts.
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_", "TZ", "LC_", "LANG")
#: What a process ignores, those that it starts ignore too.
_INHERITED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_COVERAGE = "COVERAGE_PROCESS_CONFIG"
_KEY = 4  # bytes that say how long a request is
_NEEDS_VLLM = "vllm"
#: What a server imports once it starts, beside our own modules.
_LATE = ("pydantic.v1", "uvloop", "uvicorn.lifespan.off", "uvicorn.protocols.websockets.websockets_sansio_impl")
#: What may be forked: ours, and ours with a fault planted in it.
_OURS = ("handrail", "planted.py")


class Forked:
    """What `subprocess.Popen` offers, of a process that another one forked for us."""

    def __init__(self, words: list[str], connection: socket.socket) -> None:
        self.args = words
        self._connection = connection
        self.pid = int(_received(connection))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; raises TimeoutExpired where it has none after so many seconds."""
        if self.returncode is None:
            with selectors.DefaultSelector() as ready:
                ready.register(self._connection, selectors.EVENT_READ)
                if not ready.select(timeout):
                    raise subprocess.TimeoutExpired("handrail", timeout or 0)
            self.returncode = int(_received(self._connection))
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended, and its status is on the way
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | Forked


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    stdout: IO[Any],
    stderr: IO[Any],
    cwd: Path | None = None,
    stdin: IO[Any] | None = None,
) -> Process:
    """Start `command`: forked where its first word is `handrail` and nothing of it depends on how Python starts."""
    words = [str(word) for word in command]
    if _needs_a_start(words, environment):
        return subprocess.Popen(words, env=dict(environment), stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd)
    request = {
        "words": words,
        "environment": dict(environment),
        "cwd": str(cwd or Path.cwd()),
        "ignored": [number for number in _INHERITED if signal.getsignal(number) is signal.SIG_IGN],
    }
    files = [stdout, stderr] if stdin is None else [stdout, stderr, stdin]
    return Forked(words, _server().ask(request, [file.fileno() for file in files]))


def run(
    command: Sequence[str | Path], environment: Mapping[str, str], timeout: float, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with its output captured as text."""
    with contextlib.ExitStack() as stack:
        given = None if stdin is None else stack.enter_context(tempfile.TemporaryFile())
        if given is not None:
            given.write((stdin or "").encode())
            given.seek(0)
        stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        process = start(command, environment, stdout, stderr, stdin=given)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        out, err = (_text(file) for file in (stdout, stderr))
    return subprocess.CompletedProcess(command, code, out, err)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _needs_a_start(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    is_ours = Path(words[0]).name in _OURS
    on_vllm = _NEEDS_VLLM in words or environment.get("HANDRAIL_ENGINE", _NEEDS_VLLM) == _NEEDS_VLLM
    on_ray = "--ray" in words
    may_serve_vllm = on_vllm and not {"echo", "none", "deploy"} & set(words)
    return not is_ours or may_serve_vllm or on_ray or _starting(environment) != _starting(os.environ)


def _starting(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


class _Server:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forks-")
        self._address = str(Path(self._folder.name) / "socket")
        environment = {name: value for name, value in os.environ.items() if name != _COVERAGE}
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._address], env=environment, stdin=subprocess.PIPE, cwd="/"
        )

    def ask(self, request: Mapping[str, Any], files: Sequence[int]) -> socket.socket:
        """A connection on which the process's id comes, and then its exit status."""
        connection = socket.socket(socket.AF_UNIX)
        self._connect(connection)
        body = json.dumps(request).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        connection.sendmsg([len(body).to_bytes(_KEY, "big")], rights)
        connection.sendall(body)
        return connection

    def stop(self) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def _connect(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                connection.connect(self._address)
            except (FileNotFoundError, ConnectionRefusedError):
                assert self._process.poll() is None, "the server of forks has ended"
                assert time.monotonic() < deadline, "the server of forks does not listen"
                time.sleep(0.01)
            else:
                return


_starting_up = threading.Lock()


def _server() -> _Server:
    with _starting_up:  # rows of a table are started from several threads
        return _the_server()


@functools.cache
def _the_server() -> _Server:
    server = _Server()
    atexit.register(server.stop)
    return server


def _received(connection: socket.socket) -> bytes:
    """A line: what the server of forks says of a process."""
    line = b""
    while not line.endswith(b"\n"):
        line += connection.recv(1) or b"-9\n"
    return line


# What follows runs in the server of forks.


def _serve(address: str) -> None:
    """Fork for each request; ends when standard input does."""
    _import_everything()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.new")
    listening.listen(64)
    os.rename(f"{address}.new", address)
    with selectors.DefaultSelector() as ready:
        ready.register(listening, selectors.EVENT_READ, None)
        ready.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            for key, _ in ready.select():
                if key.fileobj is sys.stdin:
                    os._exit(0)
                elif key.fileobj is listening:
                    _fork(listening.accept()[0], ready)
                else:
                    _tell(key, ready)


def _import_everything() -> None:
    """Without Ray's and vLLM's parts, which a process that is forked never needs."""
    import handrail_container

    ours = pkgutil.walk_packages(handrail_container.__path__, "handrail_container.")
    for name in (*sorted(module.name for module in ours), *_LATE):
        if not name.startswith(("handrail_container.ray.", "handrail_container.engine.vllm")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _fork(connection: socket.socket, ready: selectors.BaseSelector) -> None:
    size, files, _, _ = socket.recv_fds(connection, _KEY, 3)
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        body += connection.recv(1 << 20)
    pid = os.fork()
    if not pid:
        _become(json.loads(body), files)
    for file in files:
        os.close(file)
    connection.sendall(b"%d\n" % pid)
    ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))


def _tell(key: selectors.SelectorKey, ready: selectors.BaseSelector) -> None:
    pid, connection = key.data
    _, status = os.waitpid(pid, 0)
    ready.unregister(key.fileobj)
    os.close(key.fd)
    with contextlib.suppress(OSError):  # its test has ended
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    connection.close()


def _become(request: Mapping[str, Any], files: Sequence[int]) -> NoReturn:
    """Turn this process into `handrail` with its words, environment, folder and files."""
    stdout, stderr, *stdin = files
    os.dup2(stdin[0] if stdin else os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, 1 << 16)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    sys.argv = request["words"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    code: object = 1
    try:
        if _COVERAGE in os.environ:
            import coverage

            coverage.process_startup()
        _run_as_main(sys.argv)
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    except BaseException:  # noqa: BLE001  as the interpreter would: shown, and a status of 1
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _run_as_main(words: list[str]) -> None:
    if words[0].endswith(".py"):
        runpy.run_path(words[0], run_name="__main__")
        return
    from handrail_container.cli import main

    main()


if __name__ == "__main__":
    _serve(sys.argv[1])
