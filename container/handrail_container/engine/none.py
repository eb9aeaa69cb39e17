"""No engine: for scripts that call something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from fastapi import FastAPI, HTTPException
from handrail.core.engine import Engine
from starlette.requests import Request

from handrail_container.engine.lora import Adapters
from handrail_container.engine.opening import Opening


class NoEngine(Engine):
    """Refuses every call, saying which setting would give it an engine."""

    @property
    def raw(self) -> None:
        return None

    def generate(self, prompt: Any, sampling_params: Any = None) -> AsyncIterator[Any]:
        _refuse()

    def tokenize(self, text: str) -> list[int]:
        _refuse()

    async def create(self, operation: str, body: dict[str, Any], request: Request | None) -> Any:
        _refuse()


def _refuse() -> NoReturn:
    raise HTTPException(503, "this server runs without an engine (HANDRAIL_ENGINE=none); set vllm or echo")


class NoAdapters(Adapters):
    """No adapters. A script may register its own adapter handlers."""

    def loaded(self) -> Mapping[str, str]:
        return {}

    def is_base(self, name: str) -> bool:
        return False

    def running(self, name: str) -> int:
        return 0

    async def find(self, source: str) -> Path:
        raise HTTPException(
            501,
            "this server runs without an engine (HANDRAIL_ENGINE=none), and so without adapters: set vllm or echo, or "
            "give the script handlers with @register_load_adapter_handler and @register_unload_adapter_handler",
        )

    async def add(self, name: str, folder: Path, source: str) -> None:
        """No adapter is found, so none is added."""

    async def remove(self, name: str, *, is_idle: bool) -> None:
        """No adapter can be loaded, so none can be removed."""


class NoBackend:
    name = "none"
    client = None

    def __init__(self) -> None:
        self.adapters: Adapters = NoAdapters()
        self.facade: Engine = NoEngine()
        self.routes_by_payload: Mapping[str, str] = {}
        self.direct_paths: tuple[str, ...] = ()
        self.variables: Mapping[str, str] = {}

    def anticipate(self) -> None:
        """Nothing to begin."""

    def prepare(self) -> None:
        """Nothing to check."""

    async def start(self, app: FastAPI) -> None:
        """No routes to add."""

    async def warm_up(self) -> None:
        """No token to wait for."""

    async def check_health(self) -> None:
        """No engine can die."""

    async def stop(self) -> None:
        """Nothing to stop."""


def open_none(asked: Opening) -> NoBackend:
    return NoBackend()
