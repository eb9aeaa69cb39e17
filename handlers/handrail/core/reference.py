"""References to a handler, as written in environment variables: `where:name`."""

from __future__ import annotations

import difflib
import inspect
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core.errors import FileMissing, MalformedReference, NameMissing, SignatureRefused
from handrail.core.script import DEFAULT_SCRIPTS, Loader, leaves
from handrail.core.tracebacks import message_of, user_traceback

ACCEPTED_FORMS = "model:function, /absolute/path.py:function, file.py:function or package.module:function"


@dataclass(frozen=True)
class Reference:
    """`where` is "model", a path that ends in .py, or a dotted module; `name` may be dotted."""

    setting: str
    where: str
    name: str

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"


def parse(setting: str, value: str, noun: str = "function") -> Reference:
    """Parse a setting's value, which names a `noun`. Raises MalformedReference, quoting it and the accepted forms."""
    where, colon, name = value.strip().partition(":")
    fault = (
        "it has no colon"
        if not colon
        else "it has more than one colon"
        if ":" in name
        else f"{name!r} is no name of {_a(noun)}"
        if not _is_dotted(name)
        else f"{where!r} is neither a module nor a file that ends in .py"
        if not (where.endswith(".py") or _is_dotted(where))
        else ""
    )
    if fault:
        raise MalformedReference(f"{setting} is {value!r}: {fault}. Write {ACCEPTED_FORMS.replace('function', noun)}.")
    return Reference(setting, where, name)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def load(reference: Reference, loader: Loader, model_path: Path, script: Path | None) -> Any:
    """The callable that a reference names. Raises any HandlerFault but Ambiguous and ScriptMissing."""
    try:
        module = _load_module(reference, loader, model_path, script)
    except FileMissing as fault:
        raise FileMissing(f"{reference.setting} is {str(reference)!r}: {fault}.") from None
    return _attribute(module, reference, loader)


def _load_module(reference: Reference, loader: Loader, model_path: Path, script: Path | None) -> ModuleType:
    if reference.where == "model":
        if script is None:
            raise FileMissing(f"model means the script, and {model_path} has none ({' or '.join(DEFAULT_SCRIPTS)})")
        return loader.load(script)
    if not reference.where.endswith(".py"):
        return loader.import_module(reference.where)
    if leaves(reference.where):
        raise MalformedReference(
            f"{reference.setting} is {str(reference)!r}: {reference.where!r} leaves the model directory {model_path}. "
            "Write the absolute path."
        )
    return loader.load(model_path / reference.where)


def _attribute(module: ModuleType, reference: Reference, loader: Loader) -> Any:
    """Follow the dotted name; a class in it is instantiated without arguments, once for all references."""
    found: Any = module
    for part in reference.name.split("."):
        if inspect.isclass(found):
            if found not in loader.instances:
                loader.instances[found] = _instance(found, module, reference)
            found = loader.instances[found]
        if not hasattr(found, part):
            raise NameMissing(_no_such_name(module, found, part, reference))
        found = getattr(found, part)
    return found


def _instance(cls: type, module: ModuleType, reference: Reference) -> Any:
    try:
        return cls()
    except (Exception, SystemExit) as error:  # a user's class may raise anything
        raise SignatureRefused(
            f"{reference.setting} is {str(reference)!r}: {cls.__name__}() raised {type(error).__name__}: "
            f"{message_of(error)}. The class must be made with no arguments.",
            user_traceback(error, Path(getattr(module, "__file__", None) or os.devnull).parent),
        ) from error


def _no_such_name(module: ModuleType, owner: Any, name: str, reference: Reference) -> str:
    file = getattr(module, "__file__", None) or f"module {module.__name__!r}"
    place = file if owner is module else type(owner).__name__
    names = _public_callables(owner)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(names[:12]) or 'no functions'}."
    return f"{reference.setting} is {str(reference)!r}: {place} has no {name!r}. {hint}"


def _public_callables(owner: Any) -> list[str]:
    names = [name for name in dir(owner) if not name.startswith("_")]
    return [name for name in names if callable(inspect.getattr_static(owner, name, None))]  # runs no property
