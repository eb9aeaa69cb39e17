"""How large a grammar may be."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from handrail_container.engine.expressions import expansion
from handrail_container.engine.grammars import require_compilable, require_few


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
        {"structural_tag": json.dumps({"structures": [{"schema": json.dumps({"pattern": "(a{100}){11}"})}]})},
        {"structural_tag": json.dumps({"format": {"type": "grammar", "grammar": "root ::= (a{100}){11}"}})},
        {"json": {"properties": {f"p{i}": {} for i in range(20)}, "minProperties": 5, "maxProperties": 15}},
        {"json": {"properties": {"a": {"type": "string", "format": "ipv6"}, "b": {"format": "email"}}}},
        {"grammar": 'start: %json {"items": {"minItems": 1001}}'},
        {"grammar": json.dumps({"grammars": [{"json_schema": {"minItems": 1001}}]})},
        {"json": {"allOf": [{"pattern": f".*{sign}.*"} for sign in "abc"]}},
        {"regex": "a", "whitespace_pattern": "a{1001}"},
    ],
)
def test_what_takes_an_engine_minutes_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_GRAMMAR_SIZE allows 1,000") as refused:
        require_compilable(outputs(**given), 1000)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "given",
    [
        {"regex": "(" * 500 + ")" * 500},
        {"regex": "(" * 500},
        {"grammar": "start: %json " + '{"a":' * 70 + "1" + "}" * 70},
        {"grammar": 'start: /"/ %json ' + '{"a":' * 70 + "1" + "}" * 70},
        {"grammar": 'start: "%json" /"/ %json ' + '{"":' * 70 + "1" + "}" * 70},
        {"grammar": "start: %json {"},
        {"grammar": "start: " + "(" * 65 + '"a"' + ")" * 65},
        {"json": '{"anyOf":[' * 130 + "{}" + "]}" * 130},
        {"structural_tag": "[" * 500},
    ],
)
def test_what_is_too_deep_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(HTTPException, match="brackets too deep in each other") as refused:
        require_compilable(outputs(**given), 5000)
    assert refused.value.status_code == 400


def test_what_is_cut_off_before_it_is_deep_is_too_deep_for_json() -> None:
    """A quote that is not JSON's hides brackets from the count."""
    with pytest.raises(HTTPException, match="brackets too deep"):
        require_compilable(outputs(grammar='start: /"/ %json ' + '{"":' * 9000), 50_000)


@pytest.mark.parametrize(
    "expression", ["[", "(", "{", "{1", "\\", "a|", '\\"', '"', "%json ", '%json {"a":1}', '{"a":', '{"$ref":"#"}']
)
@pytest.mark.parametrize("field", ["regex", "grammar", "json"])
def test_the_look_at_it_takes_no_longer_than_its_length(field: str, expression: str) -> None:
    """Seconds, where each of its signs were looked at for all that follow it."""
    began = time.thread_time()
    with suppress(HTTPException):
        require_compilable(outputs(**{field: expression * (49_000 // len(expression))}), 50_000)
    assert time.thread_time() - began < 3


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
        {"grammar": 'root ::= "{" pair ("," pair)* "}"' + ' "((((((((((((("' * 9},
        {"grammar": 'start: %json {"type": "object", "properties": {"a": {"type": "integer"}}}'},
        {"json": "no schema"},
        {"json": json.dumps({"properties": {"a": {"type": "string", "format": "date-time"}}, "maxProperties": 1})},
        {"json": {"description": "(" * 300}},
        {"structural_tag": json.dumps({"structures": [{"begin": "<a>", "schema": {"type": "object"}}]})},
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
    assert expansion(expression) == size


def test_one_request_asks_for_few_answers() -> None:
    for few in (None, 1, 8):
        require_few(few, 8)
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_N allows 8"):
        require_few(9, 8)
