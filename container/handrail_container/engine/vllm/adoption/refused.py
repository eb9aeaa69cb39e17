"""Methods that stop or change the engine for everybody: a script cannot have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from handrail_container.engine.vllm.adoption.ours import called_at
from handrail_container.program.adoption.record import AdoptionRefused


def method(name: str) -> Callable[..., NoReturn]:
    def refuse(*given: Any, **named: Any) -> NoReturn:
        raise AdoptionRefused(
            f"{called_at()} {name}() stops or changes the engine for everybody: this engine is the server's"
        )

    refuse.__name__ = name
    return refuse


def no_stat_loggers() -> NoReturn:
    raise AdoptionRefused(
        f"{called_at()} stat_loggers: the server's engine logs and counts for all; read its numbers from /metrics"
    )
