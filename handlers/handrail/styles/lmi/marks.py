"""The functions of a script for LMI: those that djl_python's decorators mark, and `handle`; found and inspected once.

A mark is an attribute of the function, as in djl_python, so that the decorators of the real package count as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from handrail.core.errors import Ambiguous, HandlerFault, SignatureRefused
from handrail.core.signature import Argument, ArgumentSource, Signature
from handrail.core.tracebacks import definition, signature_text

F = TypeVar("F", bound=Callable[..., Any])

HANDLE = "handle"
#: The functions in the order in which a request passes them, but for the one that makes the model.
INPUT, PREDICTION, OUTPUT, INIT = "input_formatter", "prediction_handler", "output_formatter", "init_handler"
_ANSWERING = (HANDLE, PREDICTION, OUTPUT, INPUT)
_EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Form(NamedTuple):
    """What a function is given, by position and by name, and how it is written. `others` are annotations of the forms
    that LMI calls for other engines than vLLM."""

    given: tuple[str, ...]
    named: tuple[str, ...]
    accepted: str
    others: tuple[str, ...] = ()


FORMS = {
    INPUT: Form(
        ("data",),
        ("tokenizer", "adapter_name", "content_type"),
        "@input_formatter above `def f(data, tokenizer=None, **kwargs)`, which returns the dict",
        ("Input",),
    ),
    PREDICTION: Form(("data", "model"), (), "@prediction_handler above `def f(data, model)`"),
    OUTPUT: Form(
        ("answer",),
        (),
        "@output_formatter above `def f(answer)`, which returns what is sent",
        ("RequestOutput", "TextGenerationOutput"),
    ),
    INIT: Form(("model_dir",), (), "@init_handler above `def f(model_dir)`, which returns the model"),
    HANDLE: Form(("inputs",), (), "`async def handle(inputs)`, or `def handle(inputs)`"),
}
#: Those that a decorator marks.
MARKED = (INPUT, PREDICTION, OUTPUT, INIT)


def attribute(name: str) -> str:
    """The attribute by which djl_python knows a marked function."""
    return f"is_{name}"


def decorator(name: str) -> Callable[[F], F]:
    def mark(function: F) -> F:
        if not callable(function):
            raise TypeError(f"@{name} marks a function, not {function!r}")
        setattr(function, attribute(name), True)
        return function

    mark.__name__ = mark.__qualname__ = name
    return mark


@dataclass(frozen=True)
class LmiFunction:
    """A function of the script; `named` are the names under which it takes further arguments."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class LmiFunctions:
    """The script's functions by their part, and what is wrong with them."""

    by_name: Mapping[str, LmiFunction]
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()
    #: What would answer, also if its signature is refused.
    candidate: Any = None

    @property
    def answering(self) -> LmiFunction | None:
        """The function that is said to answer a request."""
        return next((self.by_name[name] for name in _ANSWERING if name in self.by_name), None)


def marked(module: ModuleType) -> dict[str, list[Any]]:
    """The marked functions in the module's namespace, by mark; one under two names counts once."""
    found: dict[str, list[Any]] = {}
    for name in MARKED:
        values = [value for value in vars(module).values() if callable(value) and _has(value, attribute(name))]
        if unique := list({id(value): value for value in values}.values()):
            found[name] = unique
    return found


def _has(value: Any, mark: str) -> bool:
    """Whether the value has the mark itself: a class is no marked function, and a mock has any attribute."""
    return inspect.isroutine(value) and getattr(value, mark, False) is True


def has_handle(module: ModuleType) -> bool:
    return callable(vars(module).get(HANDLE))


def find_functions(module: ModuleType, *, with_handle: bool) -> LmiFunctions:
    """Inspect the module's functions. Faults are collected."""
    by_mark = marked(module)
    faults = [_two(name, values) for name, values in by_mark.items() if len(values) > 1]
    candidates = {name: values[0] for name, values in by_mark.items()}
    if with_handle and has_handle(module):
        candidates[HANDLE] = vars(module)[HANDLE]
    found: dict[str, LmiFunction] = {}
    for name, function in candidates.items():
        try:
            found[name] = _inspect(name, function)
        except SignatureRefused as fault:
            faults.append(fault)
    if HANDLE in found and len(found) > 1:
        faults.append(_beside_handle(found))
    candidate = next((candidates[name] for name in _ANSWERING if name in candidates), None)
    return LmiFunctions(found, tuple(faults), tuple(_unused(found)), candidate)


def _two(name: str, values: Sequence[Any]) -> HandlerFault:
    places = " and ".join(f"{_name(value)} ({definition(value)})" for value in values)
    return Ambiguous(f"@{name} marks {len(values)} functions: {places}. Leave one marked.")


def _beside_handle(found: Mapping[str, LmiFunction]) -> HandlerFault:
    others = " and ".join(
        f"@{name} marks {one.signature.name} ({one.signature.where})" for name, one in found.items() if name != HANDLE
    )
    return Ambiguous(
        f"handle ({found[HANDLE].signature.where}) takes whole requests, and {others}, which would not be called: keep "
        "handle, or those that are marked."
    )


def _unused(found: Mapping[str, LmiFunction]) -> list[str]:
    if INIT in found and PREDICTION not in found:
        init = found[INIT].signature
        return [f"{init.name} ({init.where}) makes a model that nothing is given: only a @prediction_handler takes it"]
    return []


def _inspect(name: str, function: Any) -> LmiFunction:
    """Raises SignatureRefused with `file:line`, the signature and the accepted form."""
    part, where, text = FORMS[name], definition(function), signature_text(function) or _name(function)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C: it is called as LMI calls it
        return LmiFunction(name, function, Signature(_name(function), where, text, ()))
    positional = [one for one in parameters if one.kind not in (*_VARIADIC, inspect.Parameter.KEYWORD_ONLY)]
    is_open = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    count = len(part.given)
    by_name = [one for one in parameters if one.kind not in _VARIADIC and one not in positional[:count]]
    unknown = [one for one in by_name if one.default is _EMPTY and one.name not in part.named]
    if unknown or (len(positional) < count and not is_open):
        raise SignatureRefused(f"{where} {text}: it is given {_given(part)}; write {part.accepted}.")
    _refuse_other_form(part, positional, where, text)
    names = {one.name for one in by_name if one.kind is not inspect.Parameter.POSITIONAL_ONLY}
    named = tuple(one for one in part.named if takes_any or one in names)
    arguments = tuple(Argument(one, ArgumentSource.INPUT) for one in positional[:1] if name != INIT)
    return LmiFunction(name, function, Signature(_name(function), where, text, arguments), named)


def _refuse_other_form(part: Form, positional: Sequence[inspect.Parameter], where: str, text: str) -> None:
    """Raises SignatureRefused for a formatter that is written for LMI's rolling batches."""
    annotation = positional[0].annotation if positional else _EMPTY
    known = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if known.rpartition(".")[2] in part.others:
        raise SignatureRefused(
            f"{where} {text}: {known} is what LMI gives over other engines than vLLM. Here it is given "
            f"{_given(part)}; write {part.accepted}."
        )


def _given(part: Form) -> str:
    by_name = f", and by name {', '.join(part.named)}" if part.named else ""
    return f"{', '.join(part.given)}{by_name}"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
