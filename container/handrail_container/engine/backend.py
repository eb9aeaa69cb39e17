"""The protocol that the server uses to run any engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from fastapi import FastAPI
    from handrail.core.engine import Engine

    from handrail_container.engine.lora import Adapters
    from handrail_container.program.adoption.record import Adoption


class Backend(Protocol):
    """An engine as the server sees it. Methods are called in this order; only `check_health` repeats.

    `anticipate` and `prepare` block (imports, parsing) and run in a thread. Everything else runs on the event loop and
    must not block it: a backend moves slow work to threads itself.
    """

    #: "vllm", "echo" or "none"
    name: str

    @property
    def client(self) -> Any:
        """The object that user code finds at `request.app.state.engine_client`; None before `start` and for `none`."""

    @property
    def facade(self) -> Engine:
        """The object passed to a parameter annotated `handrail.Engine`."""
        ...

    @property
    def adapters(self) -> Adapters:
        """The engine's LoRA adapters. Valid only after `start`."""
        ...

    #: Maps a key of a request body to the engine's route for such a body, in order of preference.
    routes_by_payload: Mapping[str, str]

    #: Paths of the engine's routes that `direct` may call. Valid only after `start`.
    direct_paths: tuple[str, ...]

    #: Flags that the engine's messages may name, each with the variable that sets it. Valid only after `start`.
    variables: Mapping[str, str]

    def anticipate(self) -> None:
        """Begin slow work that can run in parallel with `prepare`. `start` or `stop` follows. Never raises."""

    def prepare(self) -> None:
        """Find every mistake that can be found before the engine starts. Raises SettingsError."""

    async def start(self, app: FastAPI) -> None:
        """Start the engine, fill `app.state`, and add the engine's own OpenAI routes to `app`.

        `app` holds only the engine's routes, and shares its `state` with the server's app. Raises EngineStartError with
        the engine's own cause in one line, and SettingsError if a setting does not fit the model.
        """

    async def warm_up(self) -> None:
        """Return once the engine has produced one token (pooling: one embedding). Raises EngineStartError."""

    async def check_health(self) -> None:
        """Return if the engine is alive; raise EngineDeadError with the reason otherwise. Returns within a second."""

    async def stop(self) -> None:
        """Stop the engine and all its processes. May be called at any time after `anticipate`, and more than once."""


@runtime_checkable
class Adopting(Protocol):
    """A backend whose engine takes the place of those that a script builds of the engine's own classes."""

    @property
    def lacks_model(self) -> bool:
        """Whether nothing but the script can say which model is served."""
        ...

    def adopt(self, adoption: Adoption) -> None:
        """Record in `adoption` what the script builds from now on. Called before the script is imported; it imports
        nothing."""

    def release(self) -> None:
        """Leave the engine's classes as they were before `adopt`. `stop` does it, too."""

    def ask(self, flags: Mapping[str, str]) -> None:
        """Add the script's flags, as `SM_VLLM_…` variables, to those of the configuration. Called before `prepare`."""
