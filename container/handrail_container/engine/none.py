"""No engine: for scripts that call something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from fastapi import FastAPI, HTTPException
from handrail.core.engine import Engine
from starlette.requests import Request

from handrail_container.engine.lora import Adapters


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
    """A script may have handlers of its own for them."""

    def loaded(self) -> Mapping[str, str]:
        return {}

    def is_base(self, name: str) -> bool:
        return False

    def running(self, name: str) -> int:
        return 0

    async def add(self, name: str, source: str) -> None:
        raise HTTPException(
            501,
            "this server runs without an engine (HANDRAIL_ENGINE=none), and so without adapters: set vllm or echo, or "
            "give the script handlers with @register_load_adapter_handler and @register_unload_adapter_handler",
        )

    async def remove(self, name: str, *, is_idle: bool) -> None:
        """There is none."""


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
        """There is nothing to begin."""

    def prepare(self) -> None:
        """Nothing can be wrong with what is not there."""

    async def start(self, app: FastAPI) -> None:
        """There are no routes to add."""

    async def warm_up(self) -> None:
        """There is no token to wait for."""

    async def check_health(self) -> None:
        """What is not there cannot die."""

    async def stop(self) -> None:
        """There is nothing to stop."""
