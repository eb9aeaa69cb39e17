"""Examples of what a schema asks for: each of them fits it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from handrail_container.cli.samples import sample
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter


class Node(BaseModel):
    value: int
    below: list[Node] = []


class Needy(BaseModel):
    needs: Needy | None
    nodes: list[Node]


class Shown(BaseModel):
    model_config = {"json_schema_extra": {"examples": [{"question": "What does /ping do?"}]}}
    question: str


class Many(BaseModel):
    when: datetime
    day: date
    id: UUID
    choice: Literal["a", "b"]
    pair: tuple[int, str]
    maybe: float | None
    either: int | str
    whole: bool
    nothing: None
    mapping: dict[str, int]
    question: str = Field(examples=["Why?"])
    shown: Shown
    none_of_them: Annotated[list[int], Field(max_length=0)]
    three: Annotated[list[int], Field(min_length=3)]


@pytest.mark.parametrize("model", [Node, Needy, Shown, Many])
def test_what_a_model_asks_for(model: type[BaseModel]) -> None:
    """Its own models among it, one that holds itself, and an example of its author's."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    found = sample(schema, schema.get("$defs", {}))
    model.model_validate_json(TypeAdapter(Any).dump_json(found))
    assert set(found) >= set(schema.get("required", ()))


def test_an_authors_example_comes_first() -> None:
    assert sample(Shown.model_json_schema(), {}) == {"question": "What does /ping do?"}
    assert sample({"type": "string", "default": "a"}, {}) == "a"
    assert sample({"type": "string", "example": "b"}, {}) == "b"
    assert sample({"type": "string", "examples": {"named": "c"}}, {}) == "text"


def test_nobody_reads_a_huge_one() -> None:
    """It does not fit then, which is for whoever shows it to see."""
    assert len(sample({"type": "string", "minLength": 10**12}, {})) == 200
    assert len(sample({"type": "array", "items": {}, "minItems": 10**12}, {})) == 200


numbers = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={"minimum": st.integers(-9, 9), "multipleOf": st.integers(1, 7)},
) | st.fixed_dictionaries(
    {"type": st.just("integer")}, optional={"exclusiveMaximum": st.integers(-9, 9), "exclusiveMinimum": st.just(-20)}
)
texts = st.fixed_dictionaries({"type": st.just("string"), "minLength": st.integers(0, 9)}) | st.fixed_dictionaries(
    {"type": st.just("string"), "maxLength": st.integers(0, 9)}
)
leaves = numbers | texts | st.just({"type": "boolean"}) | st.just({"type": "null"}) | st.just({}) | st.just(True)
schemas = st.recursive(
    leaves,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 3)})
        | inner.map(lambda one: {"type": "object", "properties": {"a": one}, "required": ["a", "b"]})
        | st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
        | inner.map(lambda one: {"allOf": [one]})
    ),
    max_leaves=6,
)


@given(schema=schemas)
def test_it_fits_whatever_is_asked_for(schema: Any) -> None:
    jsonschema.validate(sample(schema, {}), schema)
