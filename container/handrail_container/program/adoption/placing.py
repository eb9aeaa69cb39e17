"""Puts a program whose coroutines block on an event loop of its own: handlers, hooks, middleware and models."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from handrail.adoption.last_answer import last_health, last_ping
from handrail.adoption.script_loop import ScriptLoop
from handrail.core.calling import Handler, is_async
from handrail.core.ladder import Rung
from handrail.core.slots import Moment, Slot
from handrail.core.whole_model import WholeModel
from handrail.resolve import Program, Resolution
from handrail.wrap.around import Around, Wrapper
from starlette.types import ASGIApp

K = TypeVar("K")


def on_own_loop(program: Program, script_loop: ScriptLoop, blocking: tuple[str, ...]) -> Program:
    """The same program; its models are changed. What is a plain `def` goes on in the thread pool.

    `blocking` has the `file:line` of each blocking call.
    """
    placing = _Placing(script_loop, blocking)
    for model in program.models:
        placing.place(model)
    return replace(
        program,
        resolutions={slot: placing.resolution(one) for slot, one in program.resolutions.items()},
        around=placing.around(program.around),
        hooks={moment: placing.hooks(moment, hooks) for moment, hooks in program.hooks.items()},
        routes=placing.handlers(program.routes),
        session_handlers=placing.handlers(program.session_handlers),
        adapters=placing.handlers(program.adapters),
        own_loop=script_loop,
    )


class _Placing:
    def __init__(self, script_loop: ScriptLoop, blocking: tuple[str, ...]) -> None:
        self._loop, self._loops = script_loop.loop, script_loop.loops
        self._sharing = script_loop.sharing
        self._blocking = frozenset(map(os.path.abspath, blocking))
        self._of_models: dict[int, Handler] = {}

    def place(self, model: WholeModel) -> None:
        """All of the model's code runs on the loop, whether it blocks or not: its parts share what they like."""
        if model.is_elsewhere:
            return
        start, meet_default = model.start, model.meet_default
        serve = self._loop.app if self._sharing.state or model.application is None else self._loops.app
        vars(model).update(
            handlers={slot: self._of_model(slot, handler, serve) for slot, handler in model.handlers.items()},
            routes={path: self._of_model(None, handler, serve) for path, handler in model.routes.items()},
            sockets={path: self._of_model(None, handler, serve) for path, handler in model.sockets.items()},
            application=self._of_model(None, model.application, serve),
            start=self._loop.call(start),
            stop=self._loop.at_end(model.stop),
            is_healthy=last_health(self._loop, model.is_healthy),
            meet_default=lambda default: meet_default(self._loop.outside(default)),
        )

    def _of_model(self, slot: Slot | None, handler: Any, serve: Callable[[ASGIApp], ASGIApp]) -> Any:
        if not isinstance(handler, Handler):  # a function: its resolution has the handler that is made of it
            return handler
        if id(handler) not in self._of_models:
            self._of_models[id(handler)] = self._served(slot, handler, serve)
        return self._of_models[id(handler)]

    def _served(self, slot: Slot | None, handler: Handler, serve: Callable[[ASGIApp], ASGIApp]) -> Handler:
        if slot is Slot.PING:
            return replace(handler, app=last_ping(self._loop, handler.app))
        return replace(handler, app=serve(handler.app))

    def resolution(self, resolution: Resolution) -> Resolution:
        if resolution.handler is None:
            return resolution
        is_models = resolution.winner.rung is Rung.STYLE
        return replace(resolution, handler=self._handler(resolution.slot, resolution.handler, is_models=is_models))

    def handlers(self, handlers: Mapping[K, Handler]) -> dict[K, Handler]:
        return {key: self._handler(None, handler) for key, handler in handlers.items()}

    def _handler(self, slot: Slot | None, handler: Handler, *, is_models: bool = False) -> Handler:
        if id(handler) in self._of_models:
            return self._of_models[id(handler)]
        if not _is_coroutines(handler.function):
            return handler
        is_alone = slot is Slot.INVOCATION and not is_models and not self._sharing.state
        return self._served(slot, handler, self._loops.app if is_alone else self._loop.app)

    def hooks(self, moment: Moment, hooks: tuple[Callable[..., Any], ...]) -> tuple[Callable[..., Any], ...]:
        call = self._loop.call if moment is Moment.STARTUP else self._loop.at_end
        return tuple(call(hook) if _is_coroutines(hook) else hook for hook in hooks)

    def around(self, around: Around) -> Around:
        throttle = self._wrapper(around.throttle) if around.throttle is not None else None
        return replace(around, throttle=throttle, pre_post=tuple(map(self._wrapper, around.pre_post)))

    def _wrapper(self, wrapper: Wrapper) -> Wrapper:
        """It stands around the engine's routes too, so it stays on the server's loop if nothing speaks against that."""
        function, wrap = wrapper.candidate.function, wrapper.wrap
        is_async = inspect.isclass(function) or _is_coroutines(function)
        if not is_async or not (self._sharing.tasks or self._blocks(function)):
            return wrapper
        return replace(wrapper, wrap=lambda app: self._loop.app(wrap(self._loop.outside(app))))

    def _blocks(self, function: Any) -> bool:
        """Whether a blocking call is in the function's text, or the class's."""
        try:
            lines, first = inspect.getsourcelines(function)
            file = os.path.abspath(inspect.getsourcefile(function) or "")
        except (OSError, TypeError):
            return True
        return any(f"{file}:{line}" in self._blocking for line in range(first, first + len(lines)))


def _is_coroutines(function: Any) -> bool:
    plain = inspect.unwrap(function)
    return is_async(plain) or inspect.isasyncgenfunction(plain)
