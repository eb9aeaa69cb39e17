"""The door for whole-model styles: what a style finds in a model directory, and what is then served.

A style is a way in which a whole directory describes a model, where others write handlers: a class of one name, a file
of one kind. Each is registered under the entry point group `handrail.styles`; those of Handrail are as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.types import ASGIApp, Scope

from handrail.core.calling import Handler
from handrail.core.engine import Engine
from handrail.core.errors import HandlerFault
from handrail.core.script import Loader, Script
from handrail.core.slots import Slot

if TYPE_CHECKING:
    from handrail.core.contract import Contract


class Start(NamedTuple):
    """What a model is given when it starts: the engine, and the address at which a process of its own asks it."""

    engine: Engine
    engine_url: str


class Neighbours(NamedTuple):
    """Applications that a model's routes may pass a request on to."""

    health: ASGIApp
    invocations: ASGIApp
    engine: ASGIApp


class Claim(IntEnum):
    """How well the routes of a model's application know a request."""

    NOTHING = 0
    #: Only a mount that takes each path below its own.
    REST = 1
    #: Its path, with another method.
    PATH = 2
    REQUEST = 3


@dataclass(frozen=True)
class Problem:
    """How an error of the model's is answered; `log` is for the log alone, and `more` are further keys of the error."""

    status: int
    message: str
    kind: str | None = None
    headers: Mapping[str, str] | None = None
    more: Mapping[str, str | int] = field(default_factory=dict)
    log: str = ""


class WholeModel:
    """What a style found, as the server serves it. Each member has a default: a style gives what it has.

    `handlers` are functions by slot, as a script's own would be, or Handlers that the style has made itself; `routes`
    the same by path, for POST; `sockets` for WebSockets by path.
    """

    #: What `handrail check` heads its lines with, and, in lower case, the key of its JSON.
    title = "model"
    #: What `handrail invoke` calls its start; the title if it is empty.
    stage = ""
    #: What is said while it starts.
    loading = "the model is loading"
    #: What clients of `/ping` are told where it is not healthy.
    unhealthy = "the model says that it is not healthy"
    handlers: Mapping[Slot, Any] = {}
    routes: Mapping[str, Any] = {}
    sockets: Mapping[str, Handler] = {}
    #: Paths of the engine's that its handler of /invocations answers as well.
    also_at: tuple[str, ...] = ()
    #: Templates of paths below its `prefixes` at which that handler answers, as `/v1/models/{name}:predict`.
    templates: tuple[str, ...] = ()
    #: An application whose routes answer at their own paths, before the engine's; `claim` says which they are.
    application: Handler | None = None
    #: Its handler of /ping is asked once the engine is healthy; `is_healthy` is asked otherwise.
    answers_ping = False
    #: HANDRAIL_MODEL_ROUTES applies to it: it may check what the engine's own routes would not.
    hides_engine = False
    #: Its requests run to their end although their clients have left.
    outlives_client = False
    #: It is started also where a handler of a higher rung answers each of its slots.
    is_always_served = False
    #: Its code runs in processes of its own, which ask the engine by its address.
    is_elsewhere = False
    #: How often a WebSocket's client is pinged, and how long it has to answer, in seconds.
    socket_pings: tuple[float | None, float | None] | None = None
    #: How long `stop` may take, in seconds.
    stop_s = 5.0

    async def start(self, start: Start) -> None:
        """Before the first request, once the engine is ready. Raises LoadFailed."""

    async def stop(self) -> None:
        """After the last request."""

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        """Whether it can answer; within two seconds. Where `is_fresh`, it is asked anew."""
        return True

    def claim(self, scope: Scope) -> Claim:
        """How well its `application` knows a request, or a WebSocket."""
        return Claim.NOTHING

    def prefixes(self, neighbours: Neighbours) -> Mapping[str, ASGIApp]:
        """What answers below a path."""
        return {}

    def explain(self, error: BaseException) -> Problem | None:
        """The answer to what its handler of /invocations raised; None where the server's own rules hold."""
        return None

    def contract(self) -> Contract | None:
        """What /invocations takes and gives; None where the signature of its handler says it."""
        return None

    def unasked(self) -> list[str]:
        """Warnings where the engine answers /invocations and not the model."""
        return []

    def rows(self) -> Iterable[str]:
        """Its lines in `handrail check`."""
        return ()

    def data(self) -> Mapping[str, Any]:
        """The same for machines: JSON."""
        return {}


@dataclass(frozen=True)
class Offer:
    """What a style found. Where there are `faults`, the server does not start, and `model` may be None.

    `offered` are functions by slot, or Handlers: those of the model, where it has one. `label` says what was found and
    where, as `class Model at /opt/ml/model/model.py:3`. `is_chosen` where a setting of the style's own names it.
    `script` is the file that it was made of, where nothing else would know what that is written for.
    """

    label: str
    model: WholeModel | None = None
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()
    is_chosen: bool = False
    offered: Mapping[Slot, Any] = field(default_factory=dict)
    script: Path | None = None

    def functions(self) -> Mapping[Slot, Any]:
        return self.model.handlers if self.model else self.offered


@dataclass(frozen=True)
class ModelDirectory:
    """Where a style looks. `script` is the one that was loaded; `is_answered` says whether a handler of a higher rung
    answers /invocations. `settings` are the server's; which fields they have is no promise."""

    path: Path
    loader: Loader
    script: Script = field(default_factory=Script)
    is_answered: bool = False
    settings: Any = None


class Style:
    """Finds its models. The server makes one of each style, and asks it at each start and reload."""

    #: As the entry point is named; HANDRAIL_STYLE and HANDRAIL_PLUGINS_DISABLED say it.
    name = ""
    #: Of two that found a model for /invocations the higher one is served. Two of the same priority are refused.
    priority = 0

    #: Its scripts start a server when they are imported, which `prepare` keeps them from.
    starts_servers = False

    def prepare(self, directory: ModelDirectory) -> str | None:
        """Before the script runs: make what it imports importable. Which file is the script, where that is the style's
        to say. Raises HandlerFault."""
        return None

    def find(self, directory: ModelDirectory) -> Offer | None:
        """What there is, with everything that is wrong with it; None where there is nothing of this style."""
        return None

    def flags(self, directory: ModelDirectory) -> Mapping[str, str]:
        """The engine flags that the directory's files ask for, as `SM_VLLM_…` variables; the environment's go before
        them. It is asked before the script runs."""
        return {}
