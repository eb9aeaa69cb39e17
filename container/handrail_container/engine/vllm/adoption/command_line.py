"""vLLM's command line and its objects of engine arguments, for scripts of any age.

What is gone from vLLM is kept by the object of arguments as an attribute, and `handrail_gone` names all of it with the
values: it is part of what a construction asks for.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from handrail_container.engine.vllm.adoption.imports import Prepare
from handrail_container.engine.vllm.adoption.patches import Patches
from handrail_container.engine.vllm.adoption.script_names import calling_frame, is_script
from handrail_container.engine.vllm.names import NAMES, vllm
from handrail_container.program.adoption import old_options
from handrail_container.program.adoption.old_names import ARGUMENTS

GONE = "handrail_gone"


class OldArguments:
    """`prepared` is for `AfterImport`; `undo` takes everything back."""

    def __init__(self) -> None:
        self._patches = Patches()
        parsers = dict.fromkeys(NAMES["make_arg_parser"].modules, self._prepare_parser)
        self.prepared: Mapping[str, Prepare] = {"vllm.engine.arg_utils": self._prepare_arguments, **parsers}

    def undo(self) -> None:
        self._patches.undo()

    def _prepare_parser(self, module: ModuleType) -> None:
        self._patches.put(module, "make_arg_parser", _with_old_options(vars(module)["make_arg_parser"]))

    def _prepare_arguments(self, module: ModuleType) -> None:
        base, derived = vars(module)["EngineArgs"], vars(module)["AsyncEngineArgs"]
        gone = frozenset(ARGUMENTS.keys() - {field.name for field in dataclasses.fields(derived)})
        for name in gone:
            self._patches.put(base, name, ARGUMENTS[name].default)
        self._patches.put(base, GONE, property(functools.partial(_kept, gone)))
        self._patches.put(base, "from_cli_args", classmethod(_from_cli_args(vars(base)["from_cli_args"].__func__)))
        for cls in (base, derived):
            self._patches.put(cls, "__init__", _init(cls.__init__, gone))
            self._patches.put(cls, "add_cli_args", staticmethod(_with_old_options(cls.add_cli_args)))


def _kept(gone: frozenset[str], engine_args: Any) -> dict[str, Any]:
    """Those that were given to the object, or set on it since."""
    return {name: value for name, value in vars(engine_args).items() if name in gone}


def _init(original: Callable[..., None], gone: frozenset[str]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        old = {name: named.pop(name) for name in [*named] if name in gone}
        original(self, *given, **named)
        vars(self).update(old)

    return __init__


def _from_cli_args(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def from_cli_args(cls: Any, args: Any) -> Any:
        made = original(cls, args)
        vars(made).update(old_options.given(args))
        return made

    return from_cli_args


def _with_old_options(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that adds vLLM's options to a parser. vLLM's own calls, and the server's, are as they were."""

    @functools.wraps(original)
    def add(parser: Any, *given: Any, **named: Any) -> Any:
        if not is_script(calling_frame()):
            return original(parser, *given, **named)
        vllms = vllm("FlexibleArgumentParser")(add_help=False)
        old_options.take_over(parser, original(vllms, *given, **named))
        return parser

    return add
