"""Encodes a handler's value as FastAPI does: what is no JSON becomes dicts, lists, texts and numbers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fastapi.encoders import decimal_encoder, jsonable_encoder

_LEAVES = frozenset({str, int, float, bool, type(None)})
#: Digits of an int that Python converts to text.
_MOST_DIGITS = 4300


def is_plain(value: Any) -> bool:
    """Whether FastAPI's encoder would only copy the value: dict, list, str, number, bool and None, no subclass of
    these, all keys str, and no key that the encoder omits for SQLAlchemy's sake."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or key.startswith("_sa") or not (type(item) in _LEAVES or is_plain(item)):
                return False
        return True
    return all(map(is_plain, value)) if kind is list else kind in _LEAVES


def encoded(value: Any) -> Any:
    """The value as FastAPI encodes it, NumPy's arrays and numbers too. Raises TypeError if it cannot be encoded."""
    if is_plain(value):
        return value
    if inspect.iscoroutine(value):
        value.close()  # else Python would warn of a line of Handrail's on collection
        raise TypeError("it answered with a coroutine, which is not awaited: write `await` before what it returns")
    numpy, known = sys.modules.get("numpy"), dict[Any, Callable[[Any], Any]]({Decimal: _number})
    if numpy is not None:
        plain: Callable[[Any], Any] = lambda item: item.tolist()  # noqa: E731  the same for both
        known |= {numpy.ndarray: plain, numpy.generic: plain}
    try:
        return jsonable_encoder(value, custom_encoder=known)
    except ValueError as error:
        kinds = error.args[0] if error.args else None
        if not isinstance(kinds, list):  # raised by the value itself, such as a number out of range
            raise
        raise TypeError(_no_json(value)) from error


def _number(value: Decimal) -> int | float:
    """As FastAPI's encoder has it, but a number that JSON cannot hold is not computed: that takes hours."""
    if value.is_finite() and value.adjusted() >= _MOST_DIGITS:
        raise ValueError(
            f"it answered with a Decimal of {value.adjusted() + 1:,} digits, and a number in JSON has at most "
            f"{_MOST_DIGITS:,}: return str() of it, or bound the field (`max_digits`, `le`)"
        )
    return decimal_encoder(value)


def _no_json(value: Any) -> str:
    return (
        f"it answered with {_kind(value)}, which is no JSON: return a dict, a list, text, a number, a pydantic "
        "model or a dataclass, made of these, or a Starlette response"
    )


def _kind(value: Any) -> str:
    """The type of a value that cannot be encoded, with its place: `a Thing`, `a dict with a Thing in it`."""
    name = type(value).__name__
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
    for item in items:
        try:
            encoded(item)
        except Exception:  # noqa: BLE001  any failure marks this item as the cause
            return f"a {name} with {_kind(item)} in it"
    return f"a {name}"
