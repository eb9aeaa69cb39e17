"""The servers a scenario can be run on: each is a command line, and a way to tell that it is ready.

All are told their model directory the way the container is: by SAGEMAKER_MODEL_PATH.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import forked
from tests.servers import HANDRAIL, PATIENCE_S, environment, free_port

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
_POLL_S = 0.02
#: Read once: a test runner writes to its own environment from test to test.
_OURS = environment({})
_OURS.pop("COVERAGE_PROCESS_CONFIG", None)  # a hundred servers: what they run is measured where it is tested alone
_DEMO_MODEL = ROOT / "examples" / "model"


@dataclass(frozen=True)
class Launcher:
    """`command` is completed by the port; `environment` is under the scenario's own."""

    name: str
    command: Callable[[int], list[str]]
    environment: Mapping[str, str]
    is_ready: Callable[[httpx.Response], bool]
    patience_s: float = PATIENCE_S
    ready_path: str = "/"


def _handrail(port: int) -> list[str]:
    return [str(HANDRAIL), "serve", "--engine", "echo", "--host", HOST, "--port", str(port)]


def _on_ray(port: int) -> list[str]:
    return [*_handrail(port), "--ray"]


def _vllm(port: int) -> list[str]:
    flags = ["--max-model-len", "1024", "--enforce-eager", "--dtype", "float32", "--model", str(_DEMO_MODEL)]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", HOST, "--port", str(port), *flags]


def _says_ready(about: httpx.Response) -> bool:
    return bool(about.json()["state"] == "ready")


def _answers(about: httpx.Response) -> bool:
    """vLLM and the AWS library's applications listen once they are ready."""
    return about.status_code > 0


HANDRAIL_ECHO = Launcher("handrail", _handrail, {}, _says_ready)
#: On the cluster that RAY_ADDRESS names.
HANDRAIL_RAY = Launcher("handrail on ray", _on_ray, {}, lambda about: about.status_code == 200, patience_s=240)
VLLM = Launcher("vllm", _vllm, {"VLLM_CPU_KVCACHE_SPACE": "1"}, _answers, patience_s=240)


def aws_library(python: str = sys.executable, path: str = "") -> Launcher:
    """The library on the FastAPI that `python` has; `path` is where it finds the library if not among its packages."""
    app = str(Path(__file__).with_name("aws_app.py"))
    return Launcher("aws", lambda port: [python, app, HOST, str(port)], {"PYTHONPATH": path}, _answers, 240)


class Server:
    """One process in a model directory's name, from its start to its end."""

    def __init__(self, launcher: Launcher, folder: Path, given: Mapping[str, str]) -> None:
        self._launcher = launcher
        self._log = folder.with_suffix(".log")
        port = free_port()
        each_alone = httpx.Limits(max_keepalive_connections=0)  # uvicorn ends a connection whose request raised
        self.http = httpx.Client(
            base_url=f"http://{HOST}:{port}", timeout=30, trust_env=False, verify=False, limits=each_alone
        )
        known = {**_OURS, "SAGEMAKER_MODEL_PATH": str(folder), **launcher.environment, **given}
        with self._log.open("w") as log:
            self._process = forked.start(launcher.command(port), known, log, log, cwd=folder.parent)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def exit_status(self, *, while_loading: bool = False) -> int | None:
        """None once it is ready, or listens; its exit status where it ended before."""
        deadline = time.monotonic() + self._launcher.patience_s
        while (status := self._process.poll()) is None:
            if self._listens() if while_loading else self._is_ready():
                return None
            assert time.monotonic() < deadline, f"neither ready nor ended:\n{self.log}"
            time.sleep(_POLL_S)
        return status

    def _is_ready(self) -> bool:
        try:
            return self._launcher.is_ready(self.http.get(self._launcher.ready_path))
        except httpx.TransportError:
            return False

    def _listens(self) -> bool:
        try:
            return self.http.get("/").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.http.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
