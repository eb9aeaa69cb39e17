"""The script's start-up and shutdown hooks: functions run after the engine is ready, and before it stops."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from handrail.core.engine import Engine
from handrail.core.errors import HandlerFault, HookFailed, SignatureRefused
from handrail.core.marks import Mark
from handrail.core.signature import annotations_of
from handrail.core.slots import Moment
from handrail.core.threads import run_in_threadpool
from handrail.core.tracebacks import definition, message_of, signature_text, user_traceback

logger = logging.getLogger("handrail")

Hook = Callable[..., Any]

#: Timeout of one hook at shutdown, in seconds: after a drain of 25 s, SageMaker leaves 5.
STOP_S = 2.0


def find(marks: Sequence[Mark]) -> tuple[dict[Moment, tuple[Hook, ...]], list[HandlerFault]]:
    """The hooks among a script's marks, in the order of their definition, and their faults."""
    hooks = {moment: tuple(mark.function for mark in marks if mark.role is moment) for moment in Moment}
    faults: list[HandlerFault] = []
    for moment, functions in hooks.items():
        for function in functions:
            try:
                check_hook(function)
            except SignatureRefused as fault:
                faults.append(SignatureRefused(f"@{moment}: {fault}."))
    return hooks, faults


def check_hook(function: Hook) -> None:
    """Raises SignatureRefused if a hook requires anything but the application or the engine."""
    for name, annotation in annotations_of(function).items():
        if _source(name, annotation) is None and not _has_default(function, name):
            raise SignatureRefused(
                f"{definition(function)} {signature_text(function)}: a hook takes nothing, a parameter annotated "
                f"handrail.Engine, or `app`; not {name!r}"
            )


async def start(hooks: Sequence[Hook], app: Starlette) -> None:
    """Run the hooks in order. Raises HookFailed with the cause at the first failure."""
    for hook in hooks:
        try:
            await _run(hook, app)
        except BaseException as error:  # a hook that exits must not end the server as if all were well
            if is_cancelled(error):
                raise
            where = definition(hook)
            message = f"{named(hook)} failed at start-up: {type(error).__name__}: {message_of(error)}"
            raise HookFailed(message, user_traceback(error, Path(where.rpartition(":")[0]).parent)) from error


async def stop(hooks: Sequence[Hook], app: Starlette, within_s: float = STOP_S) -> None:
    """Run the hooks in reverse, each within `within_s` seconds; a failure is logged, and the others still run."""
    for hook in reversed(hooks):
        try:
            async with asyncio.timeout(within_s):
                await _run(hook, app)
        except BaseException as error:  # a hook may raise anything; TimeoutError is our timeout
            if is_cancelled(error):
                raise
            logger.exception("%s failed at shutdown, or took over %g s", named(hook), within_s)


async def _run(hook: Hook, app: Starlette) -> None:
    sources = {name: _source(name, annotation) for name, annotation in annotations_of(hook).items()}
    given = {name: _given(source, app) for name, source in sources.items() if source is not None}
    is_async = inspect.iscoroutinefunction(hook)
    result = hook(**given) if is_async else await run_in_threadpool(hook, **given)
    if inspect.isawaitable(result):
        await result


def _source(name: str, annotation: Any) -> str | None:
    if inspect.isclass(annotation) and issubclass(annotation, Engine):
        return "engine"
    if name == "app" or (inspect.isclass(annotation) and issubclass(annotation, Starlette)):
        return "app"
    return None


def _has_default(function: Hook, name: str) -> bool:
    return inspect.signature(function).parameters[name].default is not inspect.Parameter.empty


def _given(source: str, app: Starlette) -> Any:
    return app.state.engine if source == "engine" else app


def is_cancelled(error: BaseException) -> bool:
    """Whether `error` comes from the cancellation of this task, and was not raised by user code."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def named(hook: Hook) -> str:
    """`file:line` of the hook, and its name."""
    return f"{definition(hook)} {getattr(hook, '__name__', repr(hook))}"
