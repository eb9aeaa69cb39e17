"""The functions of the toolkit: found in a module, and inspected once.

Each takes the arguments that the toolkit gives it, and may take one more, `context`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from handrail.core.errors import Ambiguous, HandlerFault, NameMissing, SignatureRefused
from handrail.core.signature import Argument, ArgumentSource, Signature
from handrail.core.tracebacks import definition, signature_text

#: What each function is given.
ARGUMENTS = {
    "pre_model_fn": ("model_dir",),
    "model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
    "input_fn": ("data", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "data", "content_type", "accept"),
}
_STEPS = ("input_fn", "predict_fn", "output_fn")
_CONTEXT = ("context", "ctx")
_EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Function:
    """A function of the script. It gets the context by position, by the keyword `context_keyword`, or not at all."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    takes_context: bool = False
    context_keyword: str | None = None

    def arguments(self, given: Sequence[Any], context: Any) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments of a call."""
        positional = [*given, context] if self.takes_context else [*given]
        return positional, {} if self.context_keyword is None else {self.context_keyword: context}


@dataclass(frozen=True)
class ScriptFunctions:
    """The script's functions by name, and what is wrong with them."""

    by_name: Mapping[str, Function]
    faults: tuple[HandlerFault, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def answering(self) -> Function | None:
        """The function that answers a request: `transform_fn`, or `predict_fn`."""
        return self.by_name.get("transform_fn") or self.by_name.get("predict_fn")


def defined(module: ModuleType) -> list[str]:
    """The names of the toolkit's functions that the module has."""
    return [name for name in ARGUMENTS if vars(module).get(name) is not None]


def find_functions(module: ModuleType) -> ScriptFunctions:
    """Inspect the module's functions. Faults are collected."""
    found: dict[str, Function] = {}
    faults: list[HandlerFault] = []
    for name in defined(module):
        try:
            found[name] = _inspect(name, vars(module)[name], module)
        except SignatureRefused as fault:
            faults.append(fault)
    names = [*found, *(name for name in defined(module) if name not in found)]
    if not faults:
        faults += _combination(found, module)
    return ScriptFunctions(found, tuple(faults), tuple(_near_misses(module, names)))


def _combination(found: Mapping[str, Function], module: ModuleType) -> list[HandlerFault]:
    steps = [found[name] for name in _STEPS if name in found]
    transform = found.get("transform_fn")
    if transform is not None and steps:
        others = " and ".join(f"{one.name} ({one.signature.where})" for one in steps)
        return [
            Ambiguous(
                f"transform_fn ({transform.signature.where}) stands for input_fn, predict_fn and output_fn, and there "
                f"is {others} as well: keep transform_fn, or those."
            )
        ]
    if transform is None and "predict_fn" not in found:
        names = ", ".join(f"{one.name} ({one.signature.where})" for one in found.values())
        return [
            NameMissing(
                f"{module.__file__} has {names}, and nothing that answers: define `predict_fn(data, model)`, or "
                "`transform_fn(model, data, content_type, accept)`."
            )
        ]
    return []


def _near_misses(module: ModuleType, known: Sequence[str]) -> list[str]:
    own = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name not in ARGUMENTS
    }
    missing = [name for name in ARGUMENTS if name not in known]
    pairs = [(name, difflib.get_close_matches(name, missing, n=1, cutoff=0.85)) for name in own]
    return [
        f"{name} ({definition(own[name])}) is not called: did you mean {close[0]}?" for name, close in pairs if close
    ]


def _inspect(name: str, function: Any, module: ModuleType) -> Function:
    """Raises SignatureRefused with `file:line`, the signature and the accepted forms."""
    if not callable(function):
        raise SignatureRefused(
            f"{module.__file__} {name} is a {type(function).__name__}, which cannot be called: {_accepted(name)}."
        )
    where, text = definition(function), signature_text(function) or name
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C: it is called as the toolkit calls it
        return Function(name, function, Signature(name, where, text, ()))
    keyword = _context_keyword(parameters)
    positional = [one for one in parameters if one.kind not in (*_VARIADIC, inspect.Parameter.KEYWORD_ONLY)]
    count, is_open = len(ARGUMENTS[name]), any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    more = positional[count:]
    takes_context = bool(more) and (more[0].default is _EMPTY or more[0].name in _CONTEXT)
    rest = [one for one in more[takes_context:] if one.default is _EMPTY]
    unknown = [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY and one.default is _EMPTY]
    unknown = [one for one in unknown if one.name != keyword]
    if rest or unknown or (len(positional) < count and not is_open):
        raise SignatureRefused(f"{where} {text}: it is given {', '.join(ARGUMENTS[name])}; {_accepted(name)}.")
    place = ARGUMENTS[name].index("data") if "data" in ARGUMENTS[name] else count
    arguments = tuple(Argument(one, ArgumentSource.INPUT) for one in positional[place : place + 1])
    return Function(name, function, Signature(name, where, text, arguments), takes_context, keyword)


def _context_keyword(parameters: Sequence[inspect.Parameter]) -> str | None:
    by_keyword = [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    return next((name for name in by_keyword if name in _CONTEXT), None)


def _accepted(name: str) -> str:
    given = ", ".join(ARGUMENTS[name])
    return f"write `def {name}({given})`, or `def {name}({given}, context)`"
