"""The code of one LoRA adapter: what the `model.py` in its directory defines for the requests that go to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from starlette.types import ASGIApp

from handrail.core.calling import Handler, adapt
from handrail.core.errors import Ambiguous, FileMissing, HandlerFault, NameMissing, SignatureRefused
from handrail.core.isolated import IsolatedFolder
from handrail.core.ladder import Candidate, Rung
from handrail.core.marks import Mark
from handrail.core.slots import Slot, WrapperSlot
from handrail.core.tracebacks import definition
from handrail.wrap import middleware
from handrail.wrap.around import Wrapper
from handrail.wrap.data_formatters import data_input_formatter, data_output_formatter
from handrail.wrap.middleware import Wrap

SCRIPT = "model.py"
#: What PEFT's libraries name the file of a chat template beside an adapter's weights.
TEMPLATE = "chat_template.jinja"

_Adapt = Callable[[Any], Wrap]
_FORMATTERS = (WrapperSlot.INPUT_FORMATTER, WrapperSlot.OUTPUT_FORMATTER)
_OF_REQUESTS: Mapping[WrapperSlot, _Adapt] = {
    WrapperSlot.INPUT_FORMATTER: middleware.input_formatter,
    WrapperSlot.OUTPUT_FORMATTER: middleware.output_formatter,
}
_OF_DATA: Mapping[WrapperSlot, _Adapt] = {
    WrapperSlot.INPUT_FORMATTER: data_input_formatter,
    WrapperSlot.OUTPUT_FORMATTER: data_output_formatter,
}
#: The attributes that decorators of other products set on a formatter of data, as LMI's do.
ATTRIBUTES: Mapping[WrapperSlot, str] = {
    WrapperSlot.INPUT_FORMATTER: "is_input_formatter",
    WrapperSlot.OUTPUT_FORMATTER: "is_output_formatter",
}
#: The packages that have these decorators.
_DECORATORS = frozenset({"handrail", "djl_python", "model_hosting_container_standards"})
_TAKEN = (
    "an adapter's model.py defines input_formatter(data), output_formatter(data), or a handler of /invocations with "
    "@custom_invocation_handler"
)


@dataclass(eq=False)
class AdapterCode:
    """What applies to an adapter's requests. `close` takes the modules away, once the last request has ended."""

    script: Path | None = None
    handler: Handler | None = None
    formatters: Mapping[WrapperSlot, Wrapper] = field(default_factory=dict)
    chat_template: str | None = None
    #: By whoever has made one with the code, so that it ends with the code and with its maker.
    applications: WeakKeyDictionary[Any, ASGIApp] = field(default_factory=WeakKeyDictionary)
    _folder: IsolatedFolder | None = None
    _requests: int = 0
    _is_closed: bool = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """For the time of a request, which finishes with the code that it began with."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._forget()

    def close(self) -> None:
        self._is_closed = True
        self._forget()

    def around(self, wrappers: tuple[Wrapper, ...]) -> tuple[Wrapper, ...]:
        """The wrappers for the adapter's requests, outermost first: those of the model, with the adapter's formatters
        in place of the model's."""
        kept = [wrapper for wrapper in wrappers if wrapper.place not in self.formatters]
        return (*kept, *(self.formatters[place] for place in _FORMATTERS if place in self.formatters))

    def sentences(self) -> list[str]:
        """What the code does, one sentence for each part."""
        one, path = self.handler, Slot.INVOCATION.path
        handlers = [] if one is None else [f"{path} is answered by {one.signature.name} ({one.signature.where})"]
        formatters = [
            f"{place}: {wrapper.candidate.label} ({definition(wrapper.candidate.function)}), {wrapper.candidate.found}"
            for place, wrapper in self.formatters.items()
        ]
        return [*handlers, *formatters, *([f"chats are written by its {TEMPLATE}"] if self.chat_template else [])]

    def _forget(self) -> None:
        if self._is_closed and not self._requests and self._folder is not None:
            self._folder.close()


def load(folder: Path, name: str) -> AdapterCode | None:
    """The code of the adapter `name`; None if it has none. Blocks while its modules are imported.

    Raises HandlerFault, and then leaves nothing of it imported.
    """
    template = read_template(folder)
    script = folder / SCRIPT
    if not script.is_file():
        return AdapterCode(chat_template=template) if template is not None else None
    own = IsolatedFolder(folder, name)
    module = own.load(script.stem)
    try:
        return _resolved(script, own, module, template)
    except HandlerFault:
        own.close()
        raise


def read_template(folder: Path) -> str | None:
    """Raises HandlerFault if the file cannot be read."""
    path = folder / TEMPLATE
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, ValueError) as error:
        raise FileMissing(f"{path} cannot be read: {error}") from None


def _resolved(script: Path, own: IsolatedFolder, module: ModuleType, template: str | None) -> AdapterCode:
    _require_only_taken(script, own, module)
    handler = _handler(own, module)
    formatters = {place: _wrapper(place, one) for place in _FORMATTERS if (one := _formatter(place, own, module))}
    if handler is None and not formatters:
        raise NameMissing(f"{script} defines nothing for the adapter's requests: {_TAKEN}")
    return AdapterCode(script, handler, formatters, template, _folder=own)


def _require_only_taken(script: Path, own: IsolatedFolder, module: ModuleType) -> None:
    """Raises SignatureRefused for what applies to the server, and not to requests of one adapter."""
    taken = (Slot.INVOCATION, *_FORMATTERS)
    marked = [(f"@{mark.role.decorator}", mark.function) for mark in own.marks if mark.role not in taken]
    names = [slot.function for slot in Slot if slot not in taken and slot.function in vars(module)]
    for found, function in (*marked, *((name, vars(module)[name]) for name in names)):
        raise SignatureRefused(
            f"{definition(function)}: {found} applies to all requests of the server, and belongs in the model's "
            f"script, not in {script}: {_TAKEN}"
        )


def _handler(own: IsolatedFolder, module: ModuleType) -> Handler | None:
    """The handler of /invocations of the best rung: decorated, by name, registered as a framework would."""
    slot = Slot.INVOCATION
    decorated, registered = (_marked(slot, own.marks, is_registered=registers) for registers in (False, True))
    named = [vars(module)[slot.function]] if slot.function in vars(module) else []
    candidate = (
        _only(slot.path, Rung.DECORATOR, f"decorated with @{slot.decorator}", decorated)
        or _only(slot.path, Rung.NAME, f"named {slot.function}", named)
        or _only(slot.path, Rung.DEFAULT, f"registered with @register_{slot}_handler", registered)
    )
    if candidate is None:
        return None
    try:
        return adapt(candidate.function, slot)
    except SignatureRefused as fault:
        raise SignatureRefused(f"{slot.path}, {candidate.found}: {fault}.", fault.user_traceback) from None


def _formatter(
    place: WrapperSlot, own: IsolatedFolder, module: ModuleType
) -> tuple[Candidate, Callable[[Any], Wrap]] | None:
    """The candidate, and how it is adapted: Handrail's decorator marks a formatter of requests, others one of data."""
    of_requests = _only(
        place, Rung.DECORATOR, f"decorated with @{place.decorator}", _marked(place, own.marks, is_registered=False)
    )
    if of_requests is not None:
        return of_requests, _OF_REQUESTS[place]
    attribute, values = ATTRIBUTES[place], vars(module)
    marked = {id(value): value for value in values.values() if getattr_static(value, attribute, False) is True}
    named = [value for value in [values.get(place.value)] if not (value is None or _is_decorator(value))]
    of_data = _only(place, Rung.DECORATOR, f"marked as {attribute}", [*marked.values()]) or _only(
        place, Rung.NAME, f"named {place.value}", named
    )
    return (of_data, _OF_DATA[place]) if of_data is not None else None


def _is_decorator(value: Any) -> bool:
    """Whether the script has imported the decorator of the same name."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in _DECORATORS


def _marked(role: Slot | WrapperSlot, marks: list[Mark], *, is_registered: bool) -> list[Any]:
    chosen = [mark.function for mark in marks if mark.role is role and mark.is_registered is is_registered]
    return list({id(function): function for function in chosen}.values())


def _only(what: str, rung: Rung, found: str, functions: list[Any]) -> Candidate | None:
    """Raises Ambiguous if there are several."""
    if len(functions) > 1:
        places = " and ".join(f"{getattr(one, '__name__', repr(one))} ({definition(one)})" for one in functions)
        raise Ambiguous(f"{what} has {len(functions)} functions that are {found}: {places}. Keep one.")
    return Candidate(rung, found, functions[0]) if functions else None


def _wrapper(place: WrapperSlot, found: tuple[Candidate, _Adapt]) -> Wrapper:
    candidate, adapted = found
    try:
        return Wrapper(place, candidate, adapted(candidate.function))
    except SignatureRefused as fault:
        raise SignatureRefused(f"{place}, {candidate.found}: {fault}.") from None
