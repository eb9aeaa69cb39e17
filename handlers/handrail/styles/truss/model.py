"""A Truss Model as a whole model of the server: found in the script, checked, started and called."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handrail.core.calling import Handler
from handrail.core.errors import NameMissing
from handrail.core.slots import Slot
from handrail.core.whole_model import Neighbours, Start, WholeModel
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.flow import Flow
from handrail.styles.truss.life import Life, ModelHealth, check_init, takes_engine
from handrail.styles.truss.methods import ENDPOINTS, ROUTES, SOCKET, defines, definition_of_class, inspect_class
from handrail.styles.truss.routes import MODELS, ModelRoutes
from handrail.styles.truss.schema import schema_of
from handrail.styles.truss.surroundings import Surroundings

if TYPE_CHECKING:
    from handrail.core.contract import Contract

#: The methods that answer a slot.
SLOTS = {Slot.PING: "is_healthy", Slot.INVOCATION: "predict", Slot.STREAM: "websocket"}


class TrussModel(WholeModel):
    """`by_method` holds the handlers of the methods that the class defines; they work once `start` has returned.

    Raises SignatureRefused, DefinitionRefused.
    """

    title = "Model"
    loading = "the Model is loading"
    unhealthy = "the Model's is_healthy says that it is not, or does not say in time"
    hides_engine = outlives_client = is_always_served = True

    def __init__(self, cls: type, config: TrussConfig, surroundings: Surroundings) -> None:
        check_init(cls)
        self._where = f"{definition_of_class(cls)} class {cls.__name__}"
        self.methods = inspect_class(cls)
        self._life = Life(cls, config, surroundings)
        self._health = ModelHealth(self._life) if "is_healthy" in self.methods else None
        self._flow = Flow(
            self.methods,
            config.predict_concurrency,
            config.streaming_read_timeout,
            batches=config.names_engine or takes_engine(cls),
        )
        self.by_method = {
            name: Handler(method.function, method.signature, self._flow.app_of(name), self._flow.step_of)
            for name, method in self.methods.items()
            if name in ENDPOINTS
        }
        self.socket_pings = (config.ping_interval, config.ping_timeout)
        if health := self.methods.get("is_healthy"):
            self.by_method["is_healthy"] = Handler(health.function, health.signature, self._ping)
        of_slots = {**self.by_method, "websocket": self.socket}
        self.handlers = {slot: handler for slot, name in SLOTS.items() if (handler := of_slots.get(name))}
        self.routes = {ROUTES[name]: handler for name, handler in self.by_method.items() if name in ROUTES}
        self.sockets = {SOCKET: self.socket} if self.socket else {}
        if Slot.INVOCATION in self.handlers:
            self.also_at, self.templates = tuple(ROUTES.values()), (f"{MODELS}{{model_name}}:predict",)

    @property
    def schema(self) -> dict[str, Any] | None:
        return schema_of(self.methods)

    @property
    def socket(self) -> Handler | None:
        """The handler of a WebSocket, which accepts the connection and leaves closing it to the server."""
        method = self.methods.get("websocket")
        return Handler(method.function, method.signature, self._flow.socket) if method else None

    async def _ping(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=200 if await self.is_healthy() else 503)(scope, receive, send)

    async def start(self, start: Start) -> None:
        """Create and load the Model. Raises LoadFailed."""
        await self._life.start(start.engine)
        self._flow.begin(start.engine, self._life.instance)

    def prefixes(self, neighbours: Neighbours) -> Mapping[str, ASGIApp]:
        return {MODELS: ModelRoutes(neighbours, self.schema)}

    def contract(self) -> Contract:
        """The contract of /invocations: the input of the first step, and the output of the last."""
        from handrail.core.contract import contract_of  # imports FastAPI's OpenAPI, rarely needed

        predict, handler = self.methods["predict"], self.by_method["predict"]
        first, last = self.methods.get("preprocess", predict), self.methods.get("postprocess", predict)
        described = Handler(last.function, replace(first.signature, name=handler.signature.name), handler.app)
        return contract_of(described, Slot.INVOCATION.path)

    def unasked(self) -> list[str]:
        """A warning for a Model without predict: the engine answers requests that the Model has no method for."""
        if "predict" in self.methods:
            return []
        own = ", ".join(name for name in self.by_method if name != "is_healthy")
        asked = f" where the body is not one for its {own}" if own else ""
        instead = "Set" if "websocket" in self.methods else "Define predict, or set"
        return [
            f"{self._where} has no predict: the engine answers /invocations{asked}. {instead} "
            "HANDRAIL_MODEL_ROUTES=strict, which answers 404"
        ]

    def rows(self) -> list[str]:
        return [f"{method.signature.text}  {method.signature.where}" for method in self.methods.values()]

    def data(self) -> dict[str, Any]:
        return {name: method.signature.data() for name, method in self.methods.items()}

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        """The Model's health, at most a second old; True without `is_healthy`, False if it does not answer in 2 s."""
        return self._health is None or await self._health.is_healthy(is_fresh=is_fresh)


def find_class(module: ModuleType, config: TrussConfig, *, is_declared: bool) -> type | None:
    """The Model's class; None if the script is no Truss and has no class with an endpoint.

    Raises NameMissing if a Truss has no such class.
    """
    cls = vars(module).get(config.class_name)
    if isinstance(cls, type) and (is_declared or any(defines(cls, name) for name in (*ENDPOINTS, "websocket"))):
        return cls
    if not is_declared:
        return None
    classes = [name for name, value in vars(module).items() if isinstance(value, type) and _is_own(value, module)]
    close = difflib.get_close_matches(config.class_name, classes, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(classes) or 'no classes'}."
    raise NameMissing(
        f"{config.where('model_class_name')} model_class_name is {config.class_name!r}, and {module.__file__} has no "
        f"class of that name; {hint}"
    )


def _is_own(cls: type, module: ModuleType) -> bool:
    return cls.__module__ == module.__name__
