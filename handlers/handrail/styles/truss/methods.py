"""Inspects the parameters of a Model's methods, once when the class is found.

| a method may take        | gets                                                                  |
|--------------------------|-----------------------------------------------------------------------|
| nothing                  | nothing                                                               |
| one parameter            | the body, or, annotated `Request`, the request                        |
| two parameters           | the body and the request, which is annotated so, named so, or second  |

The body is parsed JSON, or an instance of the parameter's pydantic model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.requests import HTTPConnection

from handrail.core.errors import SignatureRefused
from handrail.core.first_error import at_first_error
from handrail.core.signature import Argument, ArgumentSource, Signature, annotations_of, without_none
from handrail.core.tracebacks import definition, signature_text

#: The methods besides `predict` that answer a route.
ROUTES = {
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
ENDPOINTS = ("predict", *ROUTES)
#: The route of `websocket`.
SOCKET = "/v1/websocket"
_STEPS = ("preprocess", "postprocess")
_ALONE = ("load", "is_healthy")

ACCEPTED = (
    "write `(self)`, `(self, model_input)`, `(self, request: Request)` or `(self, model_input, request: Request)`"
)
_EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


#: Bodies with up to so many items and keys get all validation errors, larger ones the first of each list.
_WHOLE = 256


@dataclass(frozen=True)
class Method:
    """A method of the class. `function` is the class's attribute; the instance's method `name` is called."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    model: TypeAdapter[Any] | None = None

    @property
    def takes_input(self) -> bool:
        return any(argument.source is ArgumentSource.INPUT for argument in self.signature.arguments)

    def arguments(self, value: Any, request: Any) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments of a call."""
        given = {ArgumentSource.INPUT: value, ArgumentSource.REQUEST: request}
        args, kwargs = [], {}
        for argument in self.signature.arguments:
            if argument.parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                kwargs[argument.parameter.name] = given[argument.source]
            else:
                args.append(given[argument.source])
        return args, kwargs


def inspect_class(cls: type) -> dict[str, Method]:
    """The class's methods by name. Raises SignatureRefused with `file:line`, the signature and the accepted forms."""
    names = (*ENDPOINTS, *_STEPS, *_ALONE, "setup_environment", "websocket")
    methods = {name: _inspect(cls, name) for name in names if defines(cls, name)}
    _refuse_combinations(cls, methods)
    return methods


def defines(cls: type, name: str) -> bool:
    return callable(getattr(cls, name, None))


def _inspect(cls: type, name: str) -> Method:
    function = getattr(cls, name)
    where, text = definition(function), signature_text(function) or name
    parameters = _parameters(cls, name, function)
    if name in (*ENDPOINTS, *_STEPS):
        arguments = _arguments(parameters, f"{where} {text}")
    elif name == "websocket":
        arguments = _socket_arguments(function, parameters, f"{where} {text}")
    else:
        _require(len(_required(parameters)) == (name not in _ALONE), _taken(name), f"{where} {text}")
        arguments = []
    signature = Signature(f"{cls.__name__}.{name}", where, text, tuple(arguments))
    return Method(name, function, signature, _model(arguments))


def _socket_arguments(function: Callable[..., Any], parameters: list[inspect.Parameter], what: str) -> list[Argument]:
    required = _required(parameters)
    _require(len(required) == 1, "write `async def websocket(self, websocket)`", what)
    _require(inspect.iscoroutinefunction(inspect.unwrap(function)), "write `async def`: it awaits each message", what)
    return [Argument(required[0], ArgumentSource.REQUEST)]


def _taken(name: str) -> str:
    return f"{name} takes {'nothing but self' if name in _ALONE else 'one argument'}"


def _parameters(cls: type, name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """All parameters but `self`, with annotations resolved."""
    annotations = annotations_of(function)
    parameters = [p.replace(annotation=annotations[p.name]) for p in inspect.signature(function).parameters.values()]
    is_plain = not isinstance(inspect.getattr_static(cls, name), staticmethod | classmethod)
    return parameters[1:] if is_plain and parameters and parameters[0].kind not in _VARIADIC else parameters


def _required(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p for p in parameters if p.kind not in _VARIADIC and p.default is _EMPTY]


def _arguments(parameters: list[inspect.Parameter], what: str) -> list[Argument]:
    named = [parameter for parameter in parameters if parameter.kind not in _VARIADIC]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    _require(
        bool(named) or not takes_any, "*args hides what it takes; if a decorator made it, use functools.wraps", what
    )
    requests = [parameter for parameter in named if _is_request(parameter, is_alone=len(named) == 1)]
    others = [parameter for parameter in named if parameter not in requests]
    inputs, rest = others[:1], others[1:]
    if not requests and rest and rest[0].annotation is _EMPTY and rest[0].default in (_EMPTY, None):
        requests, rest = rest[:1], rest[1:]
    surplus = [*requests[1:], *_required(rest)]
    _require(not surplus, f"{' and '.join(repr(p.name) for p in surplus)} cannot be given; {ACCEPTED}", what)
    sources = {p.name: ArgumentSource.REQUEST for p in requests} | {p.name: ArgumentSource.INPUT for p in inputs}
    return [Argument(parameter, sources[parameter.name]) for parameter in named if parameter.name in sources]


def _is_request(parameter: inspect.Parameter, *, is_alone: bool) -> bool:
    """Whether a parameter takes the request. A single untyped `request` is the body, as in older Models."""
    if parameter.annotation is _EMPTY:
        return not is_alone and parameter.name in ("request", "raw_request")
    bare = without_none(parameter.annotation)
    return inspect.isclass(bare) and issubclass(bare, HTTPConnection)


def _require(holds: bool, otherwise: str, what: str) -> None:
    if not holds:
        raise SignatureRefused(f"{what}: {otherwise}.")


def _model(arguments: list[Argument]) -> TypeAdapter[Any] | None:
    for argument in arguments:
        bare = without_none(argument.parameter.annotation)
        if argument.source is ArgumentSource.INPUT and inspect.isclass(bare) and issubclass(bare, BaseModel):
            return at_first_error(TypeAdapter(argument.parameter.annotation), _WHOLE)
    return None


def _refuse_combinations(cls: type, methods: dict[str, Method]) -> None:
    where = f"{definition_of_class(cls)} class {cls.__name__}"
    answering = [name for name in (*ENDPOINTS, "websocket") if name in methods]
    _require(bool(answering), f"it has no endpoint; define predict, {', '.join(ROUTES)} or websocket", where)
    predict, steps = methods.get("predict"), [name for name in _STEPS if name in methods]
    if "websocket" in methods:
        _require(predict is None, "it defines both predict and websocket; keep one", where)
        _require(not steps, f"websocket has no {' and '.join(steps)}; do that work in websocket", where)
    for step in steps:
        has_work = methods[step].takes_input or (step == "preprocess" and bool(methods[step].signature.arguments))
        _require(has_work, f"{step} takes what it works on; write `(self, value)`", where)
        needless = step == "preprocess" and predict is not None and not predict.takes_input
        _require(not needless, "predict does not take what preprocess makes; write `predict(self, model_input)`", where)


def definition_of_class(cls: type) -> str:
    """`file:line` of the `class`."""
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return f"module {cls.__module__!r}"
