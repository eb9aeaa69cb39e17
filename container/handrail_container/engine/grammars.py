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
#: What a schema repeats so many times in its grammar.
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{1,9})?)?\}")
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOP = re.compile(r"(?<!\()[*+?]|\{\d*,\}")
#: As much as so many characters.
_OF_A_LOOP = 100
#: More than any bound.
_NO_END = 10**12
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
    return max(len(text), sum(map(_cost, _patterns(schema))), sum(_orders(schema)), *_repetitions(schema), 0)


def _orders(schema: Any) -> Iterator[int]:
    """For each object, what its optional properties cost: any of them may come after any that stands before it."""
    if isinstance(schema, dict) and isinstance(properties := schema.get("properties"), dict):
        required = schema.get("required")
        optional = len(properties.keys() - set(filter(_is_text, required if isinstance(required, list) else ())))
        yield optional * optional // 2
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _orders(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _patterns(schema: Any) -> Iterator[str]:
    """The regular expressions in a schema."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key == "pattern" and isinstance(value, str):
            yield value
        elif key == "patternProperties" and isinstance(value, dict):
            yield from value
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _patterns(value)


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


def _repetitions(schema: Any) -> Iterator[int]:
    inner = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for key, value in inner:
        if key in _REPEATING and isinstance(value, int):
            yield value
        yield from _repetitions(value)
