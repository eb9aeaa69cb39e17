"""Inspects a handler's parameters, once when it is loaded.

| a handler may take                                              | gets                               |
|-----------------------------------------------------------------|------------------------------------|
| nothing                                                         | nothing                            |
| `request`, `raw_request`, or a first parameter without a type   | the Starlette request              |
| anything annotated `Request`                                    | the same                           |
| anything annotated `handrail.Engine`                            | the engine facade                  |
| a pydantic model, `dict`, `Depends(…)`, `Header(…)`, …          | the value that FastAPI parses      |
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NoReturn

from fastapi.params import Depends as DependsParam
from pydantic.fields import FieldInfo
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from handrail.core.engine import Engine
from handrail.core.errors import SignatureRefused
from handrail.core.tracebacks import definition, signature_text

ACCEPTED = (
    "A handler takes nothing, `request`, parameters annotated `Request` or `handrail.Engine`, "
    "or parameters annotated as FastAPI knows them (a pydantic model, dict, Header(...), Depends(...))"
)
_REQUEST_NAMES = ("request", "raw_request")
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class ArgumentSource(Enum):
    """The source of an argument's value."""

    REQUEST = auto()
    ENGINE = auto()
    FASTAPI = auto()
    INPUT = auto()  # the body, of a whole Model's method or of run_inference
    ENVIRONMENT = auto()  # of a definition
    SAMPLE = auto()  # the sample of an evaluation
    WEBSOCKET = auto()


@dataclass(frozen=True)
class Argument:
    parameter: inspect.Parameter  # its annotation resolved
    source: ArgumentSource

    @property
    def is_by_keyword(self) -> bool:
        return self.parameter.kind is inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True)
class Signature:
    """A handler's signature. `text` is the `def` as its author wrote it, `where` its `file:line`."""

    name: str
    where: str
    text: str
    arguments: tuple[Argument, ...]

    @property
    def is_plain(self) -> bool:
        """Whether no argument needs FastAPI to parse the request."""
        return all(argument.source is not ArgumentSource.FASTAPI for argument in self.arguments)

    def by_position(self, given: Mapping[ArgumentSource, Any]) -> list[Any]:
        """The positional arguments, from the values `given` by source."""
        return [given[argument.source] for argument in self.arguments if not argument.is_by_keyword]

    def data(self) -> dict[str, Any]:
        """The signature in the form of `handrail check --json`."""
        return {
            "name": self.name,
            "where": self.where,
            "signature": self.text,
            "arguments": {one.parameter.name: one.source.name.lower() for one in self.arguments},
        }

    def by_keyword(self, given: Mapping[ArgumentSource, Any]) -> dict[str, Any]:
        return {one.parameter.name: given[one.source] for one in self.arguments if one.is_by_keyword}


def inspect_handler(function: Any) -> Signature:
    """A handler's signature. Raises SignatureRefused, quoting it and the accepted forms."""
    return inspect_callable(function, ACCEPTED, _argument)


def inspect_callable(function: Any, accepted: str, argument_of: Callable[..., Argument | None]) -> Signature:
    """As `inspect_handler`, for other kinds of function: `argument_of` classifies a parameter, `accepted` is advice."""
    if inspect.isclass(function):
        name = function.__name__
        raise SignatureRefused(
            f"{definition(function)} {name} is a class, not a handler: name one of its methods ('{name}.method')"
        )
    if not callable(function):
        raise SignatureRefused(f"it is {_described(function)}, which cannot be called. {accepted}")
    name, where = _name(function), definition(function)
    signature = _signature(function, name, where)
    text = signature_text(function) or f"{name}{signature}"
    parameters = [p for p in _resolved(function, signature).values() if p.name not in _bound(function)]
    arguments = [argument_of(parameter, first=i == 0, text=text, where=where) for i, parameter in enumerate(parameters)]
    return Signature(name, where, text, tuple(argument for argument in arguments if argument is not None))


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations by parameter name, strings resolved. Raises SignatureRefused if no signature can be read."""
    parameters = _resolved(function, _signature(function, _name(function), definition(function)))
    return {name: parameter.annotation for name, parameter in parameters.items()}


def returned_by(function: Callable[..., Any]) -> Any:
    """The return annotation; a string is resolved if it names something."""
    module = sys.modules.get(_module_of(function))
    return _evaluated(inspect.signature(function).return_annotation, vars(module) if module else {})


def _described(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _name(function: Callable[..., Any]) -> str:
    plain = function.func if isinstance(function, functools.partial) else function
    return getattr(plain, "__qualname__", type(plain).__name__).rsplit("<locals>.", 1)[-1]


def _bound(function: Any) -> dict[str, Any]:
    """The keyword arguments bound by a partial; its signature still shows them, as defaults."""
    return function.keywords if isinstance(function, functools.partial) else {}


def _signature(function: Callable[..., Any], name: str, where: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise SignatureRefused(f"{where} {name} has no signature that Python can read. {ACCEPTED}") from error


def _resolved(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """The parameters by name, with string annotations resolved where possible."""
    namespace = vars(sys.modules[module]) if (module := _module_of(function)) in sys.modules else {}
    return {
        name: parameter.replace(annotation=_evaluated(parameter.annotation, namespace))
        for name, parameter in signature.parameters.items()
    }


def _module_of(function: Any) -> str:
    plain = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    return getattr(plain, "__module__", "")


def _evaluated(annotation: Any, namespace: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        # As typing.get_type_hints, one annotation at a time; a quoted annotation may be a string twice.
        return _evaluated(eval(annotation, namespace), namespace)
    except Exception:  # noqa: BLE001  an annotation may be any expression, often a name imported for type checkers only
        known = {"Request": Request, "Engine": Engine, "WebSocket": WebSocket}
        return known.get(annotation.rpartition(".")[2], annotation)


def _argument(parameter: inspect.Parameter, *, first: bool, text: str, where: str) -> Argument | None:
    """A parameter with its source; None if it need not be passed. Raises SignatureRefused."""
    if parameter.kind in VARIADIC:
        return Argument(parameter, ArgumentSource.REQUEST) if _is_first_args(parameter, first) else None
    annotation = parameter.annotation
    if isinstance(annotation, str):
        raise SignatureRefused(
            f"{where} {text}: the annotation {annotation!r} of {parameter.name!r} names nothing: import it, or define "
            "it in the file"
        )
    if annotation is inspect.Parameter.empty:
        return Argument(parameter, _unannotated(parameter, first=first, text=text, where=where))
    bare = without_none(annotation)
    if bare is Request or bare is HTTPConnection:
        return Argument(parameter, ArgumentSource.REQUEST)
    if inspect.isclass(bare) and issubclass(bare, Engine):
        return Argument(parameter, ArgumentSource.ENGINE)
    return Argument(parameter, ArgumentSource.FASTAPI)


def _is_first_args(parameter: inspect.Parameter, first: bool) -> bool:
    """Whether `*args` comes first: a decorator without functools.wraps around a handler of one parameter."""
    return first and parameter.kind is inspect.Parameter.VAR_POSITIONAL


def _unannotated(parameter: inspect.Parameter, *, first: bool, text: str, where: str) -> ArgumentSource:
    if isinstance(parameter.default, FieldInfo | DependsParam):
        return ArgumentSource.FASTAPI
    if first and parameter.name == "self":  # a decorated `def` in a class body: it has no instance
        refuse_method(text, where)
    if parameter.name in _REQUEST_NAMES or (first and parameter.default is inspect.Parameter.empty):
        return ArgumentSource.REQUEST
    raise SignatureRefused(f"{where} {text}: the parameter {parameter.name!r} has no type. {ACCEPTED}; annotate it")


def refuse_method(text: str, where: str) -> NoReturn:
    raise SignatureRefused(
        f"{where} {text} is a method, and a decorator makes no object for it: "
        "name it in the environment variable, as 'model:Class.method'"
    )


def without_none(annotation: Any) -> Any:
    """`X` of `X | None`; the annotation itself otherwise."""
    members = [member for member in typing.get_args(annotation) if member is not type(None)]
    return members[0] if len(members) == 1 and type(None) in typing.get_args(annotation) else annotation
