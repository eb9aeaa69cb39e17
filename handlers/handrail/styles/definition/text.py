"""JSON reading and writing for definitions: text is not escaped, and NaN is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str | bytes) -> Any:
    """Raises ValueError, also for NaN and for numbers that overflow to infinity; RecursionError."""
    return json.loads(text, parse_constant=_refused, parse_float=_finite)


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
