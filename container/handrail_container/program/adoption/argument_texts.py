"""An argument's value as the text of vLLM's flag."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from handrail.core.redaction import MASK, is_secret

#: Characters of a value that are shown.
_SHOWN = 200
#: Flags whose classes are written as `module:Class`; the others' are `module.Class`.
_WITH_COLON = frozenset({"logits_processors"})
#: Flags that take one text with commas where the argument takes a list.
_WITH_COMMAS = frozenset({"device_ids"})


class Unwritable(Exception):
    """A sentence on a value that no flag can say."""


def text(name: str, value: Any) -> str:
    """The value of the argument `name` as its flag takes it. Raises Unwritable."""
    plain = _plain(value, ":" if name in _WITH_COLON else ".")
    if isinstance(plain, list) and name in _WITH_COMMAS:
        return ",".join(map(str, plain))
    if isinstance(plain, str):
        return plain
    try:
        return json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise Unwritable(f"its value cannot be written as JSON ({error}): use text, numbers, lists and dicts") from None


def parts(value: Any) -> dict[str, Any] | None:
    """A dict or configuration object as a dict, to be merged with others of the same flag; None for another value.
    Raises Unwritable."""
    plain = _plain(value, ".")
    return plain if isinstance(plain, dict) else None


def limits(value: str) -> str:
    """Limits as `image=2,video=1`, as vLLM once took them, as JSON."""
    pairs = [one.partition("=") for one in value.split(",")]
    if value.startswith("{") or not all(most.strip().isdecimal() for _, _, most in pairs):
        return value
    return json.dumps({kind.strip(): int(most) for kind, _, most in pairs})


def shown(name: str, value: str) -> str:
    """What of a value is shown: the beginning, in one line, and nothing of a secret."""
    if is_secret(name):
        return MASK
    line = value.replace("\n", "\\n")
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _plain(value: Any, dot: str) -> Any:
    """`value` of what JSON has."""
    if isinstance(value, type):
        return _class_name(value, dot)
    if dataclasses.is_dataclass(value):
        return {name: _plain(item, dot) for name, item in _changed(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(item, dot) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, dot) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item, dot) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, int) or isinstance(value, str) else value.name
    if isinstance(value, Path) or type(value).__module__ == "torch":  # torch.float16, torch.device("cuda")
        return str(value).removeprefix("torch.")
    if callable(value):
        raise Unwritable("it is a function, which the engine's own process cannot call: write what it gives")
    return value


def _class_name(cls: type, dot: str) -> str:
    """The name by which the engine's process imports the class."""
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise Unwritable(
            f"{cls.__qualname__} is imported by vLLM's engine in its own process: "
            "define it at the top of a module beside the script"
        )
    return f"{cls.__module__}{dot}{cls.__qualname__}"


def _changed(value: Any) -> dict[str, Any]:
    """The fields of a configuration object that make it: those that it computes of others are left out."""
    fields = {one.name: getattr(value, one.name, None) for one in dataclasses.fields(value) if one.init}
    fresh = _made(type(value), {})
    if fresh is not None:
        fields = {name: item for name, item in fields.items() if item != getattr(fresh, name, None)}
    for name in reversed([*fields]):
        others = {other: item for other, item in fields.items() if other != name}
        if _made(type(value), others) == value:
            fields = others
    return fields


def _made(cls: type, fields: Mapping[str, Any]) -> Any:
    """The object; None if the class refuses it."""
    try:
        return cls(**fields)
    except Exception:  # noqa: BLE001  the class is vLLM's or the script's, and may fail as it likes
        return None
