"""The engine behind one door: what the server asks of an engine, and which one answers to a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fastapi import FastAPI
    from handrail.core.engine import Engine

    from handrail_container.engine.lora import Adapters


class Backend(Protocol):
    """An engine as the server sees it. Methods are called in this order; only `check_health` repeats.

    `anticipate` and `prepare` block (imports, parsing) and run in a thread. Everything else runs on the event loop and
    must not block it: a backend moves slow work to threads itself.
    """

    #: "vllm", "echo" or "none"
    name: str

    @property
    def client(self) -> Any:
        """What user code finds at `request.app.state.engine_client`; None before `start` and for `none`."""

    @property
    def facade(self) -> Engine:
        """What a parameter annotated `handrail.Engine` gets."""
        ...

    @property
    def adapters(self) -> Adapters:
        """Its LoRA adapters; to be asked once it has started."""
        ...

    #: Which key of a request body chooses which of the engine's own routes, in order of preference.
    routes_by_payload: Mapping[str, str]

    #: Paths of its routes that `direct` may call; to be asked once it has started.
    direct_paths: tuple[str, ...]

    #: Flags that its messages may name, each with the variable that sets it here; to be asked once it has started.
    variables: Mapping[str, str]

    def anticipate(self) -> None:
        """Begin what takes long and can go on beside `prepare`: `start` will follow, or `stop`. It never fails."""

    def prepare(self) -> None:
        """Find every mistake that can be found before the engine starts. Raises SettingsError."""

    async def start(self, app: FastAPI) -> None:
        """Start the engine, fill `app.state`, and add the engine's own OpenAI routes to `app`.

        `app` holds nothing but the engine's routes, and shares its `state` with the server's app. Raises
        EngineStartError with the engine's own cause in one line, SettingsError where a setting does not fit the model.
        """

    async def warm_up(self) -> None:
        """Return once one token (pooling: one embedding) has come out. Raises EngineStartError."""

    async def check_health(self) -> None:
        """Return if the engine is alive; raise EngineDeadError with the reason otherwise. Returns within a second."""

    async def stop(self) -> None:
        """Stop the engine and every process of it. May be called at any moment after `anticipate` was, also twice."""
