"""Names of vLLM's modules that are another object for scripts than for vLLM and this server."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType
from typing import Any

#: Who sees the module's own: vLLM and this server; and what looks a class up by its name to pickle or decode.
_OTHERS = frozenset(
    {
        *("vllm", "handrail", "handrail_container", "msgspec", "pydantic", "typing", "inspect", "importlib"),
        *("pickle", "copyreg", "copy", "cloudpickle", "multiprocessing", "torch", "ray"),
    }
)
#: Begins an import of all names; every other instruction with CALL is a call.
_IMPORTS_ALL = "CALL_INTRINSIC_1"


class ScriptNames:
    """While it lasts, modules give scripts other objects under some of their names."""

    def __init__(self) -> None:
        self._modules: list[tuple[ModuleType, type[ModuleType]]] = []

    def give(self, module: ModuleType, names: Mapping[str, Callable[[], Any]]) -> None:
        """`names` make the objects, when a script asks for them. A name that the module has is its own for others."""
        before = type(module)
        own = {name: _property(name, made) for name, made in names.items()}
        self._modules.append((module, before))
        module.__class__ = type(before.__name__, (before,), own)

    def undo(self) -> None:
        while self._modules:
            module, before = self._modules.pop()
            module.__class__ = before


def constructed_by(real: Any, construct: Callable[..., Any], body: Mapping[str, Any], **options: bool) -> Any:
    """A class for scripts in place of `real`, a msgspec struct with these options: its objects are those of `real` that
    `construct` makes. Such a class may have no constructor of its own, but a metaclass."""

    class Meta(type(real)):  # type: ignore[misc]
        def __call__(cls, *given: Any, **named: Any) -> Any:
            if cls is not made:
                return super().__call__(*given, **named)  # of a subclass that the script defines
            return construct(*given, **named)

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, real) if cls is made else super().__instancecheck__(instance)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real) if cls is made else super().__subclasscheck__(subclass)

    named = {name: getattr(real, name) for name in ("__module__", "__qualname__", "__doc__")}
    made: Any = Meta(real.__name__, (real,), {**named, **body}, **options)
    return made


def _property(name: str, made: Callable[[], Any]) -> property:
    is_made = True

    def read(module: ModuleType) -> Any:
        return made() if is_made and _is_named_by_script(calling_frame()) else _own(module, name)

    def write(module: ModuleType, value: Any) -> None:
        """What anybody assigns is there for all."""
        nonlocal is_made
        vars(module)[name], is_made = value, False

    return property(read, write)


def _own(module: ModuleType, name: str) -> Any:
    found = vars(module)
    if name in found:
        return found[name]
    if "__getattr__" in found:
        return found["__getattr__"](name)
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")


def calling_frame() -> FrameType:
    """The frame that called the function which calls this one."""
    here = inspect.currentframe()
    called = here.f_back if here else None
    caller = called.f_back if called else None
    assert caller is not None  # CPython has them
    return caller


def is_script(frame: FrameType) -> bool:
    """Whether the code of a frame is a script's."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] not in _OTHERS


def _is_named_by_script(asker: FrameType) -> bool:
    """Whether a script's code names the object. A call asks for another reason: pickle is written in C, has no frame,
    and must find the class of the object that it is given."""
    if not is_script(asker):
        return False
    instruction = dis.opname[asker.f_code.co_code[asker.f_lasti]]
    return "CALL" not in instruction or instruction == _IMPORTS_ALL
