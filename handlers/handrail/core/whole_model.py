"""The interface of whole-model styles: a style looks at a model directory, and offers a model that the server serves.

A style is a form in which a directory describes a whole model instead of handlers, such as a class with a fixed name or
a file of a fixed format. Styles are found by the entry point group `handrail.styles`, Handrail's own included.
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
    """The argument of `WholeModel.start`.

    `engine` is the facade to call from this process. `engine_url` is the URL of this server, with the key in it, for
    calls from a process that the model starts.
    """

    engine: Engine
    engine_url: str


class Neighbours(NamedTuple):
    """The ASGI applications to which a model's routes may pass on a request.

    `health` answers as `/health` does, with this model's own health asked anew; `invocations` answers as `/invocations`
    does; `engine` has the engine's routes, as `/v1/chat/completions`.
    """

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
    """The answer to an exception of a model.

    `status` is the HTTP status, `message` the text of the error, and `kind` its type; without a `kind`, the type
    follows from the status. `headers` are response headers, `more` further keys of the error object. `log` is text for
    the log that the client does not get.
    """

    status: int
    message: str
    kind: str | None = None
    headers: Mapping[str, str] | None = None
    more: Mapping[str, str | int] = field(default_factory=dict)
    log: str = ""


class WholeModel:
    """A model that a style found, as the server serves it. Every member has a default.

    `handlers` maps a slot to the function that answers it, with any signature that a script's handler may have, or to a
    Handler that the style has made. `routes` maps a path to the same, for POST. `sockets` maps a path to the Handler of
    its WebSocket.
    """

    #: The heading of the model's lines in `handrail check`, and, in lower case, the key of its data in the JSON.
    title = "model"
    #: The name of its start in the output of `handrail invoke`; if empty, the title.
    stage = ""
    #: The message of `/ping` while the model starts.
    loading = "the model is loading"
    #: The message of `/ping` and `/health` while `is_healthy` gives False.
    unhealthy = "the model says that it is not healthy"
    handlers: Mapping[Slot, Any] = {}
    routes: Mapping[str, Any] = {}
    sockets: Mapping[str, Handler] = {}
    #: Paths of the engine's generating routes. With HANDRAIL_MODEL_ROUTES=predict, and `hides_engine`, the model's
    #: handler of /invocations answers them instead of the engine.
    also_at: tuple[str, ...] = ()
    #: Whether its handler of /invocations answers `POST /`, too.
    answers_root = False
    #: Whether that handler takes Vertex AI's `{"instances": […]}` itself: else it is called for each of them.
    takes_instances = False
    #: Path templates below its `prefixes`, such as `/v1/models/{name}:predict`, that reach the handler of /invocations.
    #: They are described in `/openapi.json`.
    templates: tuple[str, ...] = ()
    #: An application whose routes answer at their own paths, before the engine's; `claim` says which they are.
    application: Handler | None = None
    #: Its handler of /ping is asked once the engine is healthy; `is_healthy` is asked otherwise.
    answers_ping = False
    #: Whether HANDRAIL_MODEL_ROUTES applies: the model may check requests that the engine's own routes would not check.
    hides_engine = False
    #: Whether a request runs to its end after its client has disconnected.
    outlives_client = False
    #: Whether it is started even if handlers of higher rungs answer all of its slots.
    is_always_served = False
    #: Whether its code runs in processes of its own, which call the engine at `Start.engine_url`.
    is_elsewhere = False
    #: Seconds between two pings of a WebSocket's client, and seconds until it must have answered one. None for either
    #: means the server's default; None for the pair, that the model has no WebSocket settings.
    socket_pings: tuple[float | None, float | None] | None = None
    #: The timeout of `stop`, in seconds.
    stop_s = 5.0

    async def start(self, start: Start) -> None:
        """Load the model: called when the engine is ready, before the first request. Raises LoadFailed."""

    async def stop(self) -> None:
        """Free what `start` has taken: called after the last request. It is cancelled after `stop_s` seconds."""

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        """Whether the model can answer requests. Has to return within two seconds.

        An answer may be reused for a moment, unless `is_fresh` is true.
        """
        return True

    def claim(self, scope: Scope) -> Claim:
        """How well its `application` knows a request, or a WebSocket."""
        return Claim.NOTHING

    def prefixes(self, neighbours: Neighbours) -> Mapping[str, ASGIApp]:
        """ASGI applications by the prefix of the paths that they answer, with any HTTP method."""
        return {}

    def meet_default(self, default: ASGIApp) -> None:
        """Take the application that answers /invocations where there is no handler: the engine, by payload.

        Called before the first request, for the model that answers /invocations.
        """

    def explain(self, error: BaseException) -> Problem | None:
        """The answer to an exception that the handler of /invocations raised.

        Returns None for the server's usual answer: 500 with the line of the script.
        """
        return None

    def contract(self) -> Contract | None:
        """The description of /invocations for `/openapi.json`; None to derive it from the handler's signature."""
        return None

    def unasked(self) -> list[str]:
        """Warnings to log if the engine answers /invocations and the model does not."""
        return []

    def rows(self) -> Iterable[str]:
        """The model's lines in the text of `handrail check`."""
        return ()

    def data(self) -> Mapping[str, Any]:
        """The same as a JSON object, for `handrail check --json`."""
        return {}


@dataclass(frozen=True)
class Offer:
    """A style's finding in a model directory.

    `label` says what was found and where, such as `class Model at /opt/ml/model/model.py:3`. `model` is what to serve.
    If there are `faults`, the server does not start, and `model` may be None; `warnings` are logged at the start.
    `is_chosen` says that a setting of the style's own names this model: it then comes before those of other styles.
    `offered` are functions, or Handlers, by slot; it is read only if there is no `model`. `script` is the file from
    which the model was made: that file is then not judged to be another server's script.
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
    """The argument of a style's methods.

    `path` is the directory, `loader` imports files of it. `script` is the loaded script; it is empty in `prepare` and
    `flags`. `is_answered` says whether a handler of a higher rung answers /invocations. `settings` are the server's;
    their fields may change in any version.
    """

    path: Path
    loader: Loader
    script: Script = field(default_factory=Script)
    is_answered: bool = False
    settings: Any = None


class Style:
    """Finds models of one form. The server makes an instance when it loads a program, at the start and at each reload.

    `flags` is called on an instance of its own, before the script is loaded; then, on one instance, `prepare` and
    `find`. If a third-party style raises, or returns a value of the wrong type, the start stops with exit status 3.
    """

    #: The name of its entry point, which the server sets; it is the value in HANDRAIL_STYLE and
    #: HANDRAIL_PLUGINS_DISABLED.
    name = ""
    #: If two styles offer a model for /invocations, the one with the higher priority is served. An equal priority stops
    #: the start.
    priority = 0

    #: Whether its scripts start a server when they are imported. `prepare` then has to prevent that.
    starts_servers = False

    def prepare(self, directory: ModelDirectory) -> str | None:
        """Prepare the import of the script, such as by making importable what it imports.

        Returns the script's path below `directory.path` if the style determines it, else None. It counts if there is no
        `model.py` or `code/model.py` and CUSTOM_SCRIPT_FILENAME is not set. Raises HandlerFault.
        """
        return None

    def find(self, directory: ModelDirectory) -> Offer | None:
        """The model in the directory, with all its faults; None if the directory has nothing of this style.

        It is called after the script's import, also if that failed or there is no script.
        """
        return None

    def flags(self, directory: ModelDirectory) -> Mapping[str, str]:
        """Engine flags that files of the directory ask for, as `SM_VLLM_…` variables with their values.

        It is called before the engine and the script are loaded. A variable of the environment overrides a flag of its
        name.
        """
        return {}
