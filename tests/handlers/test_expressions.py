"""Expressions over a request: the part of JMESPath that is understood, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from handrail.aws.expressions import compiled
from starlette.datastructures import Headers

BODY = {"name": "poet", "zero": 0, "no": False, "empty": "", "deep": {"er": [1]}}
DATA = {"body": BODY, "headers": Headers({"X-A": "a"})}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("body.name", "poet"),
        (" body.deep.er ", [1]),
        ("body", BODY),
        ("body.none", None),
        ("body.name.none", None),
        ('headers."x-a"', "a"),
        ('"body".name', "poet"),
        ("'text'", "text"),
        ("`false`", False),
        ('`{"a": 1}`', {"a": 1}),
        ("body.none || body.name", "poet"),
        ("body.none||body.no || body.empty || 'last'", "last"),
        ("body.zero || `1`", 0),
        ("body.none || body.no", False),
    ],
)
def test_an_expression_is_what_is_there(text: str, value: Any) -> None:
    assert compiled(text)(DATA) == value


@pytest.mark.parametrize("text", ["", "body.", "body[0]", "body.name ||", "|| body", "length(body)", "a b", "`no`"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no expression known here|is no JSON"):
        compiled(text)
