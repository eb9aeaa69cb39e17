"""A server that is measured: on a core of its own, and how much of it the server has used."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import psutil

from tests.bench.peers import Peer
from tests.compat.launchers import HOST, ROOT
from tests.compat.observe import write
from tests.servers import environment, free_port

#: The server's core, and that of whoever asks it.
CORE, CLIENTS_CORE = "0", "1"
_PATIENCE_S = 240
_POLL_S = 0.02
_STOP_S = 20


class Missing(Exception):
    """What is to be measured is not installed, or did not start."""


class Running:
    """A server's processes: what they have used, and where it listens."""

    def __init__(self, peer: Peer, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.peer = peer
        self.port = port
        self.process = process
        self.began = time.monotonic()
        self._log = log
        self.folder = log.with_name("model")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{self.peer.path}"

    def cpu_s(self) -> float:
        """User and system time of the server and of what it started."""
        used = [each.cpu_times() for each in self._processes()]
        return sum(times.user + times.system for times in used)

    def own_cpu_s(self) -> float:
        """User and system time of the first process, which is the one with the server layer."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Resident memory of the first process, which is the one with the server layer."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def ready(self) -> float:
        """Seconds from the start until it says that it is ready. Raises Missing where it ends instead."""
        while self.process.poll() is None:
            if self._is_ready():
                return time.monotonic() - self.began
            if time.monotonic() - self.began > _PATIENCE_S:
                break
            time.sleep(_POLL_S)
        raise Missing(f"{self.peer.title} did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """With everything it started."""
        started = self._processes()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_S)
        for each in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()

    def _processes(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"http://{HOST}:{self.port}{self.peer.ready}", timeout=5, trust_env=False, verify=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200


@contextlib.contextmanager
def starting(peer: Peer, *, cores: str = CORE) -> Iterator[Running]:
    """The server from its first moment; it need not be ready. Raises Missing."""
    if not peer.needs.exists():
        raise Missing(f"{peer.title} is not installed: there is no {peer.needs}")
    with tempfile.TemporaryDirectory(prefix="bench-") as parent:
        folder, log, port = write(Path(parent) / "model", dict(peer.files)), Path(parent) / "log", free_port()
        known = environment({"SAGEMAKER_MODEL_PATH": str(folder), **_path(), **peer.environment})
        with log.open("w") as file:
            command = ["taskset", "-c", cores, *peer.command(port)]
            process = subprocess.Popen(command, env=known, cwd=parent, stdout=file, stderr=subprocess.STDOUT)
        server = Running(peer, port, process, log)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running(peer: Peer, *, cores: str = CORE) -> Iterator[Running]:
    """The server once it is ready. Raises Missing."""
    with starting(peer, cores=cores) as server:
        server.ready()
        yield server


@contextlib.contextmanager
def all_running(peers: Sequence[Peer], *, cores: str = CORE) -> Iterator[tuple[list[Running], list[str]]]:
    """Those that can be had, and why the others cannot."""
    with contextlib.ExitStack() as stack:
        servers, missing = [], []
        for peer in peers:
            try:
                servers.append(stack.enter_context(running(peer, cores=cores)))
            except Missing as reason:
                missing.append(str(reason))
        yield servers, missing


def _path() -> dict[str, str]:
    """For `python -m uvicorn`, which is told of an application by its name."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
