"""How large a grammar may be."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from handrail_container.engine.grammars import _expansion, require_compilable, require_few


def outputs(**given: Any) -> SimpleNamespace:
    return SimpleNamespace(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"json": {"enum": [f"value {i}" for i in range(1000)]}},
        {"json": json.dumps({"enum": ["x" * 2000]})},
        {"json": {"type": "array", "items": {"anyOf": [{"minItems": 100_000}]}}},
        {"json": json.dumps({"properties": {"a": {"type": "string", "maxLength": 1001}}})},
        {"choice": ["a"] * 1000},
        {"regex": "|".join(f"a{i}" for i in range(20_000))},
        {"grammar": "root ::= " + "a " * 1000},
        {"structural_tag": json.dumps({"format": {"json_schema": {"minItems": 2000}}})},
        {"json": {"properties": {"a": {"pattern": "((b{10}){10}){11}"}}}},
        {"json": {"properties": {f"p{i}": {"pattern": "^(ab){60}$"} for i in range(10)}}},
        {"json": {"patternProperties": {"x{1001}": {"type": "string"}}}},
        {"json": [{"items": [{"pattern": "[^a-z]{1,1001}"}]}]},
        {"regex": "(a|b{2,}){600}"},
        {"regex": "a{9}" + "{9}" * 300},
        {"regex": "((((a*)*)*)*)*" * 3},
        {"json": {"properties": {f"p{i}": {} for i in range(46)}, "required": "p1"}},
        {"json": {"anyOf": [{"properties": {f"p{i}": {} for i in range(33)}} for _ in range(2)]}},
        {"grammar": "root ::= " + '("a"* "b"+)? ' * 4},
        {"json": {"properties": {f"p{i}": {"pattern": "[a-z]+"} for i in range(11)}}},
        {"structural_tag": json.dumps({"format": {"type": "regex", "pattern": "(a{100}){11}"}})},
    ],
)
def test_what_takes_an_engine_minutes_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_GRAMMAR_SIZE allows 1,000") as refused:
        require_compilable(outputs(**given), 1000)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"json": None, "json_object": True},
        {"json": {"type": "array", "minItems": 3, "items": {"enum": ["a", "b"]}}},
        {"json": {"properties": {"minItems": {"type": "integer"}}, "required": ["minItems"]}},
        {"regex": "[0-9]{3}"},
        {"regex": r"(\(\d{3}\) |[]{}]{3})\d{3}-\d{4}(a{x}|{5}|[z)"},
        {"json": {"properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}(-[0-9]{4})?$"}, "pattern": {}}}},
        {"choice": ["yes", "no"]},
        {"json": {"properties": {f"p{i}": {} for i in range(50)}, "required": [f"p{i}" for i in range(20)] + [[]]}},
        {"grammar": "root ::= a"},
    ],
)
def test_what_honest_clients_ask_for_is_not(given: dict[str, Any]) -> None:
    require_compilable(outputs(**given), 1000)
    require_compilable(None, 1000)


@pytest.mark.parametrize(
    ("expression", "size"),
    [("", 0), ("ab", 2), ("(ab{3}){2}", 8), ("a{2,}b", 3), ("[a)(]{4}", 4), (r"\(\){3}", 4), ("(a(b", 2), ("a)b", 3)],
)
def test_a_regular_expression_is_as_large_as_it_is_written_out(expression: str, size: int) -> None:
    assert _expansion(expression) == size


def test_one_request_asks_for_few_answers() -> None:
    for few in (None, 1, 8):
        require_few(few, 8)
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_N allows 8"):
        require_few(9, 8)
