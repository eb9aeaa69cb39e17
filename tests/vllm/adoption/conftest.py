"""One vLLM engine for all scripts of these tests: each has a server of its own over it, in the test's process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from handrail.core.script import unload
from handrail_container.engine.vllm import VllmBackend
from handrail_container.process.exits import ExitCode
from handrail_container.process.signals import stopping
from handrail_container.server.server import Server
from handrail_container.settings import environment

from tests import servers
from tests.vllm.conftest import FLAGS, MODEL

SCRIPTS = Path(__file__).parents[2] / "scripts" / "adoption"


class SharedBackend(VllmBackend):
    """The backend over an engine that runs already. The flags are parsed as for an engine of its own."""

    shared: VllmBackend
    #: The flags of the last server, with the model.
    asked: Mapping[str, str]

    def anticipate(self) -> None:
        """No process is to start."""

    def _build(self) -> Any:
        type(self).asked = {**self._flags, "SM_VLLM_MODEL": str(self._model)}
        client = self.shared.client
        self._before = [(each, dict(vars(each))) for each in (client, client.renderer)]
        return client

    async def stop(self) -> None:
        if self._adopter is not None and not self._stopped:
            self._adopter.uninstall()
        self._stopped = True
        for each, attributes in getattr(self, "_before", ()):
            for name in vars(each).keys() - attributes.keys():
                delattr(each, name)
            vars(each).update(attributes)


class Adopted:
    """A server with a script of the tests."""

    def __init__(self, server: Server, http: httpx.AsyncClient, running: asyncio.Task[ExitCode]) -> None:
        self.server, self.http, self.running = server, http, running

    @property
    def module(self) -> Any:
        """The script's module, under whichever name."""
        file = str(self.server.settings.model_path / "model.py")
        return next(one for one in list(sys.modules.values()) if getattr(one, "__file__", None) == file)

    @property
    def flags(self) -> Mapping[str, str]:
        return SharedBackend.asked

    async def invoke(self, body: Any, path: str = "/invocations") -> Any:
        response = await self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def settled(self) -> int:
        """Unfinished requests, once what is being aborted has been."""
        for _ in range(100):
            if not self.unfinished():
                return 0
            await asyncio.sleep(0.02)
        return self.unfinished()

    def unfinished(self) -> int:
        return int(SharedBackend.shared.client.output_processor.get_num_unfinished_requests())

    async def until(self, happens: Callable[[], bool]) -> None:
        """Return once something is so; for what takes moments, bounded."""
        async with asyncio.timeout(servers.PATIENCE_S):
            while not happens():
                await asyncio.sleep(0.01)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[VllmBackend]:
    backend = VllmBackend(str(MODEL), {**FLAGS, "SM_VLLM_DTYPE": "float32", "SM_VLLM_ENABLE_LORA": "true"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and transformers' own, while they are imported
        await asyncio.to_thread(backend.anticipate)
        await asyncio.to_thread(backend.prepare)
        await backend.start(FastAPI())
    SharedBackend.shared = backend
    yield backend
    await backend.stop()


Serve = Callable[..., AbstractAsyncContextManager[Adopted]]
Refused = Callable[..., Awaitable[tuple[ExitCode, str]]]


@asynccontextmanager
async def serving(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, watches: bool = False, **given: str
) -> AsyncIterator[Adopted]:
    """A server over the shared engine, once it is ready."""
    handlers = {number: signal.getsignal(number) for number in (*stopping(), signal.SIGUSR1, signal.SIGUSR2)}
    server, running = begin(folder, monkeypatch, given, watches=watches)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
            while (answer := await http.get("/ping")).status_code != 200:
                assert not running.done(), f"it ended with {running.result()}: {answer.text}"
                await asyncio.sleep(0.02)
            yield Adopted(server, http, running)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait({running})
        _forget(folder)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def serve(engine: VllmBackend, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """`serve(folder, **variables)`: a server over the shared engine."""
    return partial(serving, monkeypatch)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def has_both(engine: VllmBackend) -> AsyncIterator[Adopted]:
    """The server of `has_both`, for the tests of a module; they leave it as it is."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with serving(monkeypatch, SCRIPTS / "has_both", MODEL=str(MODEL)) as served:
            yield served


@pytest.fixture
def refused(serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """`await refused(folder, **variables)`: the exit status of a server that does not start, and what it wrote."""

    async def ended(folder: Path, **given: str) -> tuple[ExitCode, str]:
        capfd.readouterr()
        running = begin(folder, monkeypatch, given)[1]
        await asyncio.wait({running}, timeout=servers.PATIENCE_S)
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait({running})
        _forget(folder)
        return running.result(), capfd.readouterr().err

    return ended


def _forget(folder: Path) -> None:
    """The modules of a script; another one may have the names of its files."""
    unload(folder)
    sys.path[:] = [path for path in sys.path if not Path(path).is_relative_to(folder)]


def begin(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], *, watches: bool = False
) -> tuple[Server, asyncio.Task[Any]]:
    variables = servers.environment({"SAGEMAKER_MODEL_PATH": str(folder), "SAGEMAKER_BIND_TO_PORT": "0", **given})
    for name in os.environ.keys() - variables.keys():
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("handrail_container.engine.vllm.opening.VllmBackend", SharedBackend)
    server = Server(environment.read(), "127.0.0.1", watches=watches)
    return server, asyncio.create_task(server.run())
