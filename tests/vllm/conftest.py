"""An engine and a server on the demo model for the whole session; each takes half a minute to start."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from handrail_container.engine.vllm import VllmBackend

from tests.examples import Example, running

MODEL = Path(__file__).parents[2] / "examples" / "model"
FLAGS = {"SM_VLLM_MAX_MODEL_LEN": "512", "SM_VLLM_KV_CACHE_MEMORY_BYTES": "268435456"}
#: How many vLLM has at hand at once: fewer than its own suite loads.
ADAPTERS = 3


@dataclass
class Served:
    backend: VllmBackend
    app: FastAPI
    client: httpx.AsyncClient

    async def unfinished(self) -> int:
        """Requests the engine still works on, once what is being aborted has been."""
        for _ in range(50):
            if not (count := self.backend.client.output_processor.get_num_unfinished_requests()):
                return 0
            await asyncio.sleep(0.02)
        return int(count)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[Served]:
    sys.path.append(str(Path(__file__).parent / "plugins"))
    os.environ["VLLM_PLUGINS"] = "hello"
    backend, app = VllmBackend(str(MODEL), {**FLAGS, "SM_VLLM_ENABLE_LORA": "true"}), FastAPI()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and transformers' own, while they are imported
        await asyncio.to_thread(backend.anticipate)
        await asyncio.to_thread(backend.prepare)
        await backend.start(app)
    await backend.warm_up()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        yield Served(backend, app, client)
    await backend.stop()


@pytest.fixture(scope="session")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `lora` keeps them."""
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory, sessions: Path) -> Iterator[Example]:
    """The example `lora`, as vLLM's own suite has its server: the engine's handlers, adapters and sessions."""
    stateful = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "True", "SAGEMAKER_SESSIONS_PATH": str(sessions)}
    log = tmp_path_factory.mktemp("lora") / "log"
    written = str(tmp_path_factory.getbasetemp())  # where tests write adapters of their own
    tests = {"HANDRAIL_ADAPTERS_PATH": written, "HANDRAIL_ADAPTERS_CODE": "local"}
    with running("lora", log, SM_VLLM_MAX_LORAS=str(ADAPTERS), **tests, **stateful) as example:
        yield example


@pytest.fixture(scope="session")
def http(lora: Example) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lora.url, timeout=60, trust_env=False) as client:
        yield client
