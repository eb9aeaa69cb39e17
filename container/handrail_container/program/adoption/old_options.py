"""Options of `vllm serve` that are gone, for the parser of a script."""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentParser, Namespace
from typing import Any

from handrail_container.program.adoption.argument_texts import limits
from handrail_container.program.adoption.old_names import ARGUMENTS, OPTIONS

_TABLE = {**ARGUMENTS, **OPTIONS}
_LIMITS = "--limit-mm-per-prompt"


def take_over(parser: ArgumentParser, vllms: ArgumentParser) -> None:
    """Give `parser` the options of `vllms`, but for those that the script has added itself, and the old ones. Options
    that the script adds from now on take the place of vLLM's."""
    own = {action.dest for action in parser._actions}
    groups = {group.title: group for group in parser._action_groups}
    for group in vllms._action_groups:
        mine = groups.get(group.title) or parser.add_argument_group(group.title, group.description)
        for action in group._group_actions:
            if action.dest not in own:
                _add(parser, mine, action)
    _add_old(parser)
    for one in (parser, *parser._action_groups):
        one.conflict_handler = "resolve"


def given(args: Namespace) -> dict[str, Any]:
    """The gone arguments of the engine that a command line gives."""
    named = {name: getattr(args, name, gone.default) for name, gone in ARGUMENTS.items()}
    return {name: value for name, value in named.items() if value != ARGUMENTS[name].default}


def _add(parser: ArgumentParser, group: Any, action: Any) -> None:
    free = [option for option in action.option_strings if option not in parser._option_string_actions]
    if action.option_strings and not any(option.startswith("--") for option in free):
        return
    action.option_strings = free
    if _LIMITS in free:
        action.type = _with_old_limits(action.type)
    group._add_action(action)


def _with_old_limits(parse: Any) -> Any:
    return lambda value: parse(limits(value))


def _add_old(parser: ArgumentParser) -> None:
    for name, gone in _TABLE.items():
        option = f"--{name.replace('_', '-')}"
        if option in parser._option_string_actions:
            continue
        if gone.default is False:
            parser.add_argument(option, action="store_true", help=argparse.SUPPRESS)
        else:
            bare: dict[str, Any] = {"nargs": "?", "const": True} if gone.default is True else {}
            parser.add_argument(option, **bare, default=gone.default, type=_value, help=argparse.SUPPRESS)


def _value(text: str) -> Any:
    """A number, true, false or a dict; other texts as they are."""
    lower = text.lower()
    try:
        return json.loads(lower if lower in ("true", "false") else text)
    except ValueError:
        return text
