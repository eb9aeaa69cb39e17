"""Structured outputs that would take vLLM minutes to compile: they are refused, and everybody else's are answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.vllm

CHAT = "/v1/chat/completions"
ASKED = {"messages": [{"role": "user", "content": "What does /ping do?"}], "max_tokens": 8}


def schema(given: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": given}}}


LARGE: dict[str, dict[str, Any]] = {
    "an enum": schema({"enum": [f"value {number}" for number in range(200_000)]}),
    "repetitions": schema({"type": "array", "items": {"type": "integer"}, "minItems": 100_000}),
    "a choice": {"structured_outputs": {"choice": [f"value {number}" for number in range(100_000)]}},
    "a regular expression": {"structured_outputs": {"regex": "|".join(f"a{number}" for number in range(20_000))}},
}
SMALL = schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


@pytest.mark.parametrize("kind", LARGE)
def test_a_grammar_that_takes_minutes_is_refused_and_keeps_nobody_waiting(http: httpx.Client, kind: str) -> None:
    """As a 400 that names the setting; a small schema is answered after it."""
    refused = http.post(CHAT, json={**ASKED, **LARGE[kind]})
    assert refused.status_code == 400, refused.text[:300]
    assert "HANDRAIL_MAX_GRAMMAR_SIZE" in refused.json()["error"]["message"]
    assert http.post(CHAT, json={**ASKED, **SMALL}).status_code == 200
