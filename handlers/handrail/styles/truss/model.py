"""A Truss Model as the server sees it: found in the script, checked, started, and asked."""

from __future__ import annotations

import difflib
from types import ModuleType
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail.core.calling import Handler
from handrail.core.engine import Engine
from handrail.core.errors import NameMissing
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.flow import Flow
from handrail.styles.truss.life import Life, ModelHealth, check_init, takes_engine
from handrail.styles.truss.methods import ENDPOINTS, ROUTES, defines, inspect_class
from handrail.styles.truss.schema import schema_of
from handrail.styles.truss.surroundings import Surroundings


class TrussModel:
    """`handlers` answer `predict` and the routes of the methods it defines; usable once `start` has returned.

    Raises SignatureRefused, DefinitionRefused.
    """

    def __init__(self, cls: type, config: TrussConfig, surroundings: Surroundings) -> None:
        check_init(cls)
        self.methods = inspect_class(cls)
        self._life = Life(cls, config, surroundings)
        self._health = ModelHealth(self._life) if "is_healthy" in self.methods else None
        self._flow = Flow(
            self.methods,
            config.predict_concurrency,
            config.streaming_read_timeout,
            batches=config.names_engine or takes_engine(cls),
        )
        self.handlers = {
            name: Handler(method.function, method.signature, self._flow.app_of(name), self._flow.step_of)
            for name, method in self.methods.items()
            if name in ENDPOINTS
        }
        self.ping_interval, self.ping_timeout = config.ping_interval, config.ping_timeout
        if health := self.methods.get("is_healthy"):
            self.handlers["is_healthy"] = Handler(health.function, health.signature, self._ping)

    @property
    def routes(self) -> dict[str, Handler]:
        """The handlers of its own `/v1` routes, by path."""
        return {ROUTES[name]: handler for name, handler in self.handlers.items() if name in ROUTES}

    @property
    def schema(self) -> dict[str, Any] | None:
        return schema_of(self.methods)

    @property
    def socket(self) -> Handler | None:
        """What answers a WebSocket: an ASGI application of that kind, accepted by itself and closed by the server."""
        method = self.methods.get("websocket")
        return Handler(method.function, method.signature, self._flow.socket) if method else None

    async def _ping(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=200 if await self.is_healthy() else 503)(scope, receive, send)

    async def start(self, engine: Engine) -> None:
        """Raises LoadFailed."""
        await self._life.start(engine)
        self._flow.begin(engine, self._life.instance)

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        """What the Model says of itself, where it does: within 2 s, and at most a second old."""
        return self._health is None or await self._health.is_healthy(is_fresh=is_fresh)


def find_class(module: ModuleType, config: TrussConfig, *, is_declared: bool) -> type | None:
    """The Model's class; None where a script that is no Truss has none that answers anything.

    Raises NameMissing where a Truss has none.
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
