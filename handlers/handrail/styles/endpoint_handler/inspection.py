"""The class of a handler: what its `__init__` and `__call__` take, inspected once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handrail.core.errors import NameMissing, SignatureRefused
from handrail.core.signature import VARIADIC, Argument, ArgumentSource, Signature
from handrail.core.tracebacks import definition, signature_text

_ENGINE = "engine"
_EMPTY = inspect.Parameter.empty
_INIT = 'write `def __init__(self, path="")`, or `def __init__(self, path, engine)` to get the engine'
_CALL = "write `def __call__(self, data)`, or `async def __call__(self, data)`"


@dataclass(frozen=True)
class HandlerClass:
    """`made` is the signature of its `__init__`, `call` that of its `__call__`, whose function is `function`.

    `takes_engine` and `needs_engine` say whether `__init__` has a parameter `engine`, and one without a default.
    """

    cls: type
    made: Signature
    call: Signature
    function: Callable[..., Any]
    takes_engine: bool
    needs_engine: bool

    @property
    def is_async(self) -> bool:
        plain = inspect.unwrap(self.function)
        return inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)

    @property
    def makes_stream(self) -> bool:
        return inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function)


def inspect_class(cls: Any, name: str, file: object) -> HandlerClass:
    """Raises SignatureRefused and NameMissing, with the line and the accepted form."""
    if not inspect.isclass(cls):
        raise SignatureRefused(f"{file} {name} is a {type(cls).__name__}, and no class: write `class {name}:`.")
    function = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
    if function is None:
        raise NameMissing(f"{definition(cls)} class {name} has no `__call__`, which answers: {_CALL}.")
    made, engine = _made(cls, name)
    call = _called(function, name)
    return HandlerClass(cls, made, call, function, engine is not None, engine is not None and _required(engine))


def _made(cls: type, name: str) -> tuple[Signature, inspect.Parameter | None]:
    """The signature of `__init__`, and its parameter `engine`."""
    where, text = definition(cls.__init__), signature_text(cls.__init__)  # type: ignore[misc]  # of the class itself
    if text is None:
        where, text = definition(cls), f"class {name}"
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):  # written in C: it is called as Hugging Face's toolkit calls it
        return Signature(f"{name}.__init__", where, text, ()), None
    engine = next((one for one in parameters if one.name == _ENGINE and _takes_keyword(one)), None)
    others = [one for one in parameters if one is not engine]
    if not _takes_one(others):
        raise SignatureRefused(f"{where} {text}: it is given the path of the model directory; {_INIT}.")
    return Signature(f"{name}.__init__", where, text, ()), engine


def _called(function: Any, name: str) -> Signature:
    where, text = definition(function), signature_text(function) or "__call__"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return Signature(f"{name}.__call__", where, text, ())
    if parameters and parameters[0].kind not in VARIADIC and not isinstance(function, staticmethod):
        del parameters[0]  # self
    if not _takes_one(parameters):
        raise SignatureRefused(f"{where} {text}: it is given the body of a request; {_CALL}.")
    return Signature(f"{name}.__call__", where, text, (Argument(parameters[0], ArgumentSource.INPUT),))


def _takes_one(parameters: Sequence[inspect.Parameter]) -> bool:
    """Whether one positional argument can be given, and has to be enough."""
    positional = [one for one in parameters if one.kind not in (*VARIADIC, inspect.Parameter.KEYWORD_ONLY)]
    is_open = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    rest = [*positional[1:], *(one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)]
    return bool(positional or is_open) and not any(map(_required, rest))


def _takes_keyword(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is _EMPTY
