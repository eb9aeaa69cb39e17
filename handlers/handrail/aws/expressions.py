"""The subset of JMESPath used in the shapes of requests.

| written                 | value                                                        |
|-------------------------|--------------------------------------------------------------|
| `body.name`             | the value at that path, None if there is none                |
| `headers."X-Name"`      | the same, for a name with other characters                   |
| `'text'`, `` `false` `` | the literal: a text, or JSON between backticks               |
| `… || …`                | the first that is not None, false or empty                   |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Expression = Callable[[Mapping[str, Any]], Any]

_NAME = r'(?:[A-Za-z_]\w*|"[^"]+")'
_OPERAND = re.compile(rf"\s*(?:(?P<path>{_NAME}(?:\.{_NAME})*)|`(?P<json>[^`]*)`|'(?P<text>[^']*)')\s*(?P<then>\|\||$)")


def compiled(text: str) -> Expression:
    """Compile an expression. Raises ValueError, quoting the text, if it has none of these forms."""
    operands, place = list[Expression](), 0
    while True:
        match = _OPERAND.match(text, place)
        if match is None:
            raise ValueError(f"{text!r} is no expression known here: write body.name, headers.\"X-Name\" or 'text'")
        operands.append(_operand(match))
        place = match.end()
        if not match["then"]:
            return lambda data: _first(operands, data)


def _operand(match: re.Match[str]) -> Expression:
    if match["path"] is not None:
        names = [name.strip('"') for name in re.findall(_NAME, match["path"])]
        return lambda data: _at(names, data)
    if match["json"] is None:
        return lambda data: match["text"]
    try:
        value = json.loads(match["json"])
    except ValueError:
        raise ValueError(f"`{match['json']}` is no JSON: a text is written 'in single quotes'") from None
    return lambda data: value


def _at(names: list[str], value: Any) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _first(operands: list[Expression], data: Mapping[str, Any]) -> Any:
    """The first operand that is not None, false or empty. As in JMESPath, 0 counts."""
    *others, last = operands
    values = (operand(data) for operand in others)
    return next((value for value in values if value not in (None, "", [], {}) and value is not False), last(data))
