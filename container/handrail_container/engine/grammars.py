"""What one request may ask of an engine beside its tokens: a grammar, which takes minutes to compile where it is large
and keeps all others waiting, and many answers at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi import HTTPException

_SETTING = "HANDRAIL_MAX_GRAMMAR_SIZE"
_FIELDS = ("json", "regex", "choice", "grammar", "structural_tag")
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{1,9})?)?\}")
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOP = re.compile(r"(?<!\()[*+?]|\{\d*,\}")
#: As much as so many characters.
_OF_A_LOOP = 100
#: More than any bound.
_NO_END = 10**12
#: What a schema repeats so many times in its grammar.
_REPEATING = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))


class TooMuchAsked(HTTPException, ValueError):
    """One request asks for too much: 400. Some of vLLM's routes take any exception but a ValueError for its own bug."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)

    def __str__(self) -> str:
        return str(self.detail)


class RequestBounds(NamedTuple):
    """`grammar`: the size of one; `answers`: the largest `n`; `text`: characters of one, None for what the model's
    context says."""

    grammar: int = sys.maxsize
    answers: int = sys.maxsize
    text: int | None = sys.maxsize


NO_BOUNDS = RequestBounds()


def require_compilable(outputs: Any, most: int) -> None:
    """Raises TooMuchAsked where vLLM's `structured_outputs` hold more than `most` characters, or a schema
    repeats something so often. None is nothing to compile."""
    for field in _FIELDS if outputs is not None else ():
        given = getattr(outputs, field, None)
        size = 0 if given is None else _size(given, most)
        if size > most:
            raise TooMuchAsked(f"structured outputs: {field!r} has a size of {size:,}, and {_SETTING} allows {most:,}")


def require_few(n: int | None, most: int) -> None:
    """Raises TooMuchAsked where one request asks for more than `most` answers."""
    if n is not None and n > most:
        raise TooMuchAsked(f"n is {n:,}, and HANDRAIL_MAX_N allows {most:,}")


def _size(given: Any, most: int) -> int:
    """In characters as JSON, or the largest repetition where that is more."""
    text = given if isinstance(given, str) else json.dumps(given)
    if len(text) > most:
        return len(text)
    try:
        schema = json.loads(text)
    except ValueError:  # a regular expression, or a grammar in a language of its own
        return max(len(text), _cost(text))
    objects = list(_objects(schema))
    patterns = sum(_cost(pattern) for each in objects for pattern in _patterns(each))
    repeated = (times for each in objects for times in _repetitions(each))
    return max(len(text), patterns, sum(map(_order, objects)), *repeated)


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema's objects of JSON, itself and whatever is in it."""
    if isinstance(schema, dict):
        yield schema
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _objects(value)


def _order(schema: dict[str, Any]) -> int:
    """What an object's optional properties cost: any of them may come after any that stands before it."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return 0
    names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    optional = len(properties.keys() - names)
    return optional * optional // 2


def _patterns(schema: dict[str, Any]) -> Iterator[str]:
    """Its regular expressions."""
    if isinstance(pattern := schema.get("pattern"), str):
        yield pattern
    if isinstance(named := schema.get("patternProperties"), dict):
        yield from named


def _cost(expression: str) -> int:
    """Its size, and what repeats without end: several hundred of these, one in another or beside it, take minutes."""
    return _expansion(expression) + _OF_A_LOOP * len(_LOOP.findall(expression))


def _expansion(expression: str) -> int:
    """How many characters a regular expression has once its repetitions are written out: `(ab{3}){2}` has eight."""
    around: list[int] = []  # of each group that is open, what came before it
    size = last = index = 0
    while index < len(expression):
        sign, end = expression[index], index + 1
        if sign == "(":
            around.append(size)
            size = last = 0
        elif sign == ")" and around:
            size, last = around.pop() + size, size
        elif sign == "{" and (repeated := _REPEATED.match(expression, index)):
            times = max(int(number) for number in repeated.groups() if number)
            size, last = min(size + last * (times - 1), _NO_END), min(last * times, _NO_END)
            end = repeated.end()
        else:
            size, last, end = size + 1, 1, _end_of_sign(expression, index)
        index = end
    return size + sum(around)


def _end_of_sign(expression: str, index: int) -> int:
    """Where a character, an escaped one or a set of them ends. A set that does not end goes on to the last one."""
    if expression[index] == "[":
        closed = _SET.match(expression, index)
        return closed.end() if closed else len(expression)
    return index + (2 if expression[index] == "\\" else 1)


def _repetitions(schema: dict[str, Any]) -> Iterator[int]:
    return (value for key, value in schema.items() if key in _REPEATING and isinstance(value, int))
