"""A sample value for a JSON schema: the author's example if there is one, else the least that the schema requires."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from handrail.core.contract import REFERENCE

#: Greatest depth of a sample: a model may contain itself.
_DEPTH = 8
#: Greatest length of a sample's text or list.
_LONG = 200
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1M",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "somebody@example.com",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "byte": "dGV4dA==",
}
_NULL = {"type": "null"}
_PLAIN: dict[str, Any] = {"boolean": True, "null": None}


def sample(schema: Any, components: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits `schema`; an empty object if the schema allows anything."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return {}
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:  # an author's own extras may be anything
            return schema[key][0]
    for key in ("example", "const", "default"):
        if key in schema:
            return schema[key]
    if "$ref" in schema:
        return sample(components.get(schema["$ref"].removeprefix(REFERENCE)), components, depth + 1)
    for key in ("allOf", "anyOf", "oneOf"):
        if schema.get(key):
            return sample(_chosen(schema[key], depth), components, depth + 1)
    return _of_type(schema, components, depth)


def _chosen(choices: list[Any], depth: int) -> Any:
    """The first choice other than null. Null is chosen deep down only, where it ends a model that contains itself."""
    others = [one for one in choices if one != _NULL]
    return _NULL if len(others) < len(choices) and (depth > _DEPTH / 2 or not others) else others[0]


def _of_type(schema: Mapping[str, Any], components: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "string":
        return _text(schema)
    if kind in ("integer", "number"):
        return _number(schema, whole=kind == "integer")
    if kind == "array":
        return _items(schema, components, depth)
    if kind in _PLAIN:
        return _PLAIN[kind]
    properties = schema.get("properties", {})
    return {name: sample(properties.get(name), components, depth + 1) for name in schema.get("required", ())}


def _text(schema: Mapping[str, Any]) -> str:
    text: str = _FORMATS.get(schema.get("format", ""), "text")
    longer: str = text + "t" * (min(schema.get("minLength", 0), _LONG) - len(text))
    return longer[: schema.get("maxLength", len(longer))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """1 if the schema allows it, else the allowed value nearest to 1."""
    step = schema.get("multipleOf", 1)
    least = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step)
    most = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - step)
    value = min(max(1, least), most)
    value = math.ceil(value / step) * step
    return int(value) if whole else value


def _items(schema: Mapping[str, Any], components: Mapping[str, Any], depth: int) -> list[Any]:
    """One item, or `minItems` of them."""
    before = [sample(one, components, depth + 1) for one in schema.get("prefixItems", ())]
    if "items" not in schema or depth >= _DEPTH - 2:
        return before
    many = min(max(1, schema.get("minItems", 1)), schema.get("maxItems", math.inf), _LONG)
    item = sample(schema["items"], components, depth + 1)
    return [*before, *[item] * (int(many) - len(before))]
