"""A Model's lifecycle: created and loaded once the engine is ready, then checked for health."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from handrail.core.engine import Engine
from handrail.core.errors import LoadFailed, SignatureRefused
from handrail.core.hooks import is_cancelled
from handrail.core.tracebacks import definition, fault_line, message_of, signature_text, user_traceback
from handrail.styles.truss.config import TrussConfig
from handrail.styles.truss.surroundings import Surroundings

logger = logging.getLogger("handrail")

#: Arguments offered to `__init__`; it gets those that it takes.
KEYWORDS = ("config", "data_dir", "secrets", "lazy_data_resolver", "environment", "trt_llm", "engine")
_RETRY_AFTER_S = 1.0
_HEALTH_S = 1.5
_HEALTH_KEPT_S = 1.0


class NoLazyData:
    """Replaces Truss's downloads at run time: the model directory has the weights, or the engine loads them."""

    def block_until_download_complete(self, *_: Any, **__: Any) -> None:
        """Returns at once: the files are there."""

    fetch = block_until_download_complete


class Life:
    """`instance` is the Model once `start` has returned."""

    def __init__(
        self, cls: type, config: TrussConfig, surroundings: Surroundings, retry_after_s: float = _RETRY_AFTER_S
    ) -> None:
        self.instance: Any = None
        self._cls = cls
        self._config = config
        self._secrets = surroundings.secrets(config)
        self._environment = surroundings.named()
        self._retries = surroundings.load_retries
        self._retry_after_s = retry_after_s
        self._hidden = surroundings.redactor
        self._lacking = surroundings.lacking

    async def start(self, engine: Engine) -> None:
        """Create the Model and load it. Raises LoadFailed with the cause."""
        engine.answers_with_text = self._config.is_legacy
        made = await self._attempt("__init__", partial(_in_thread, partial(self._cls, **self._keywords(engine))))
        if self._environment is not None and hasattr(made, "setup_environment"):
            await self._attempt("setup_environment", partial(_call, made.setup_environment, self._environment))
        if hasattr(made, "load"):
            await self._load(made)
        self.instance = made

    async def _load(self, made: Any) -> Any:
        load = partial(_call, made.load)
        for left in range(self._retries, 0, -1):
            try:
                return await self._attempt("load", load)
            except LoadFailed as failed:
                logger.warning("%s; it is tried again, %d more at most", failed, left)
            await asyncio.sleep(self._retry_after_s)
        return await self._attempt("load", load)

    def _keywords(self, engine: Engine) -> dict[str, Any]:
        offered = {
            "config": dict(self._config.data),
            "data_dir": self._config.data_dir,
            "secrets": self._secrets,
            "lazy_data_resolver": NoLazyData(),
            "environment": self._environment,
            "trt_llm": {"engine": engine},
            "engine": engine,
        }
        taken = inspect.signature(self._cls).parameters
        takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values())
        return {name: value for name, value in offered.items() if takes_all or name in taken}

    async def _attempt(self, name: str, step: Callable[[], Any]) -> Any:
        try:
            return await step()
        except BaseException as error:  # a Model may raise anything
            if is_cancelled(error):
                raise
            file = Path(inspect.getfile(self._cls))
            perhaps = f". Perhaps for want of what it asks for: {self._lacking}" if self._lacking else ""
            raise LoadFailed(
                f"{fault_line(error, file)} {self._cls.__name__}.{name} failed: "
                f"{type(error).__name__}: {self._hidden(message_of(error))}{perhaps}",
                self._hidden(user_traceback(error, file.parent)),
            ) from error


def takes_engine(cls: type) -> bool:
    """Whether `__init__` takes the engine: such a Model is written for an engine that batches."""
    init = inspect.getattr_static(cls, "__init__")
    return init is not object.__init__ and not {"trt_llm", "engine"}.isdisjoint(inspect.signature(cls).parameters)


def check_init(cls: type) -> None:
    """Raises SignatureRefused if `__init__` requires an argument that cannot be given."""
    init = inspect.getattr_static(cls, "__init__")
    if init is object.__init__:
        return
    wanted = [
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        and (parameter.name not in KEYWORDS or parameter.kind is inspect.Parameter.POSITIONAL_ONLY)
    ]
    if wanted:
        where, text = definition(init), signature_text(init) or "__init__"
        raise SignatureRefused(
            f"{where} {text}: {' and '.join(map(repr, wanted))} cannot be given. "
            f"It may take {', '.join(KEYWORDS)}, or **kwargs; give anything else a default."
        )


async def _in_thread(function: Callable[[], Any]) -> Any:
    return await to_thread.run_sync(function, abandon_on_cancel=True)  # a server that stops does not wait for a load


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    result = function(*args) if inspect.iscoroutinefunction(function) else await _in_thread(partial(function, *args))
    return await result if inspect.isawaitable(result) else result


class ModelHealth:
    """Calls the Model's `is_healthy`: one call at a time, with a timeout shorter than a probe's."""

    def __init__(self, life: Life, within_s: float = _HEALTH_S, kept_s: float = _HEALTH_KEPT_S) -> None:
        self._life = life
        self._within_s = within_s
        self._kept_s = kept_s
        self._asked: asyncio.Task[bool] | None = None
        self._answered_at = 0.0

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        """The Model's health; a result up to a second old is reused, unless `is_fresh`."""
        is_old = is_fresh or time.monotonic() - self._answered_at > self._kept_s
        if self._asked is None or (self._asked.done() and is_old):
            self._asked = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._asked}, timeout=self._within_s)
        return bool(done) and self._asked.result()

    async def _ask(self) -> bool:
        function = self._life.instance.is_healthy
        try:
            return bool(await _call(function))
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit, BaseExceptionGroup):  # all but a cancellation
            logger.exception("%s is_healthy raised, which counts as unhealthy", definition(function))
            return False
        finally:
            self._answered_at = time.monotonic()
