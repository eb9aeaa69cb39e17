"""One engine on the demo model for the whole session; it takes half a minute to start."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest_asyncio
from fastapi import FastAPI
from handrail_container.engine.vllm import VllmBackend

MODEL = Path(__file__).parents[2] / "examples" / "model"
FLAGS = {"SM_VLLM_MAX_MODEL_LEN": "512", "SM_VLLM_KV_CACHE_MEMORY_BYTES": "268435456"}


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
    backend, app = VllmBackend(str(MODEL), {**FLAGS, "SM_VLLM_ENABLE_LORA": "true"}), FastAPI()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's and transformers' own, while they are imported
        await asyncio.to_thread(backend.prepare)
        await backend.start(app)
    await backend.warm_up()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        yield Served(backend, app, client)
    await backend.stop()
