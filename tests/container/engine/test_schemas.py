"""What a JSON schema costs whoever compiles it."""

from __future__ import annotations

from typing import Any

import pytest
from handrail_container.engine import schemas

MOST = 50_000
EMAIL = {"type": "string", "pattern": r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$"}
ANY = [{"type": "string", "pattern": f".*{sign}.*"} for sign in "abcdefghijklmnop"]


def chain(schema: str) -> dict[str, Any]:
    """Each refers to the next, and has an expression of its own."""
    defs = {f"d{i}": {schema: [{"$ref": f"#/$defs/d{i + 1}"}, ANY[i]]} for i in range(15)}
    return {"$defs": {**defs, "d15": ANY[15]}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": ANY},
        {"allOf": [{"allOf": [one]} for one in ANY]},
        {"items": {"allOf": [{"anyOf": [{}, one]} for one in ANY]}},
        {"allOf": [{"properties": {"a": one}} for one in ANY]},
        {"allOf": [{"properties": {"a": {"items": one}}} for one in ANY]},
        {"allOf": [{"additionalProperties": one} for one in ANY]},
        chain("allOf"),
        {"$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}", **ANY[i]} for i in range(16)}, "$ref": "#/$defs/d0"},
        {"properties": {f"p{i}": {"format": "ipv6"} for i in range(300)}},
        {"properties": {f"p{i}": {} for i in range(200)}, "minProperties": 100, "maxProperties": 150},
        {
            "$defs": {
                "a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}]},
                **{name: {"properties": {f"p{i}": {"$ref": "#/$defs/a"} for i in range(20)}} for name in "bc"},
            },
            "$ref": "#/$defs/a",
            "type": "object",
        },
        {"allOf": [{"properties": {f"p{i}": {"anyOf": [{}, {"items": {}}]} for i in range(9000)}}] * 3},
        {"allOf": [{"properties": {f"p{i}": {"$ref": f"#/{i}"} for i in range(9000)}} for _ in range(3)]},
    ],
)
def test_what_multiplies_is_refused(schema: dict[str, Any]) -> None:
    assert schemas.size(schema) > MOST


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"properties": {f"p{i}": {"type": "string"} for i in range(300)}},
        {
            "properties": {f"p{i}": {"format": "date-time"} for i in range(300)},
            "required": [f"p{i}" for i in range(300)],
        },
        {"properties": {f"p{i}": {"anyOf": [EMAIL, {"type": "null"}]} for i in range(50)}},
        {"allOf": [EMAIL, {"pattern": "^[a-z]+$"}, {"$ref": "#/nowhere/at/all"}, {"$ref": 7}, 7]},
        {"properties": {"a": {"pattern": "^[a-z]+$", "format": "hostname", "$ref": "elsewhere"}}},
        {
            "$defs": {
                "node": {"properties": {"child": {"$ref": "#/$defs/node"}}, "allOf": [{"$ref": "#/$defs/node"}, {}]}
            }
        },
        {"anyOf": [{"properties": {"kind": {"const": name}}} for name in "abc"], "type": "object", "properties": 7},
        {"allOf": 7, "anyOf": [], "format": "date", "pattern": "a"},
    ],
)
def test_what_people_write_is_not(schema: Any) -> None:
    assert schemas.size(schema) < MOST
