"""The examples as a reader of their README runs them: its commands, word for word, on a port of our own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers import PATIENCE_S, environment, free_port

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
MODEL = EXAMPLES / "model"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md") if path.parent != MODEL)

#: vLLM starts in about half the time where it need not measure what memory there is, nor warm up for long prompts.
SMALL = {
    "SM_VLLM_KV_CACHE_MEMORY_BYTES": "268435456",
    "SM_VLLM_MAX_MODEL_LEN": "1024",
    "SM_VLLM_MAX_NUM_BATCHED_TOKENS": "1024",
}


def commands(readme: Path) -> list[str]:
    """What stands in the README's shell blocks, in order."""
    return re.findall(r"```sh\n(.*?)\n```", readme.read_text(), re.DOTALL)


class Example:
    """One README's run command in a process group of its own, and its request."""

    def __init__(self, readme: Path, log: Path, *arguments: str, **variables: str) -> None:
        self.run, self.ask = commands(readme)[:2]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        endpoint = f"{self.url}/v1/chat/completions"  # in a file of the example, with the port of its README
        given = environment({"PORT": str(self.port), "MODEL_ENDPOINT_URL": endpoint, **variables})
        with log.open("w") as output:
            command = ["bash", "-c", " ".join([self.run, *arguments])]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=given, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def ready(self, patience_s: float = 4 * PATIENCE_S) -> Example:
        deadline = time.monotonic() + patience_s
        with httpx.Client(trust_env=False, verify=False) as client:
            while not self._is_ready(client):
                assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
                assert time.monotonic() < deadline, f"not ready:\n{self.output}"
                time.sleep(0.05)
        return self

    def _is_ready(self, client: httpx.Client) -> bool:
        try:
            return client.get(f"{self.url}/ping").status_code == 200
        except httpx.TransportError:
            return False

    def answer(self) -> str:
        """What the README's request gets."""
        command = self.ask.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace("curl ", "curl -sS --fail ", 1)
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout

    def stop(self) -> int:
        """Its exit status after SIGTERM. Ray's own processes are in its group, and would end before it."""
        if "--ray" in self.run:
            self.process.terminate()
        elif self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(name: str, log: Path, **variables: str) -> Iterator[Example]:
    """One of the examples on a small vLLM, ready; it has to end well."""
    example = Example(EXAMPLES / name / "README.md", log, **SMALL, **variables)
    try:
        yield example.ready()
    finally:
        assert example.stop() == 0
