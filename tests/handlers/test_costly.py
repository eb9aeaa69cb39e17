"""Schemas of pydantic's whose validation costs more than its input end early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

import pytest
from handrail.core.first_error import at_first_error
from pydantic import BaseModel, ConfigDict, Field, Json, TypeAdapter, ValidationError

P = (1 << 61) - 1


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")
    below: dict[int, Tree] = {}


class Open(BaseModel):
    value: int = 1


def adapter(kind: Any) -> TypeAdapter[Any]:
    return at_first_error(TypeAdapter(kind))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (dict[str, int], {f"k{i}": "x" for i in range(30_000)}),
        (dict[int, str], {f"k{i}": "x" for i in range(30_000)}),
        (dict[str, int] | list[int], {f"k{i}": "x" for i in range(30_000)}),
        (Annotated[dict[str, int], Field(min_length=1, max_length=40_000)], {f"k{i}": "x" for i in range(30_000)}),
        (dict[str, dict[str, int]], {"a": {f"k{i}": "x" for i in range(30_000)}}),
    ],
)
def test_the_first_wrong_pairs_of_an_object_are_enough(kind: Any, body: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        adapter(kind).validate_python(body)
    assert refused.value.error_count() <= 101


def test_where_other_keys_are_wrong_some_of_them_are_enough() -> None:
    with pytest.raises(ValidationError) as refused:
        adapter(Tree).validate_python({f"k{i}": 1 for i in range(30_000)})
    assert 0 < refused.value.error_count() <= 1_010
    assert adapter(Open).validate_python({**{f"k{i}": 1 for i in range(30_000)}, "value": 2}) == Open(value=2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, lambda k: str(k * P)),
        (int, lambda k: k * P),
        (int, lambda k: "_".join(str(k * P))),
        (Decimal, lambda k: f"{pow(10, -k, P)}e{k}"),
        (UUID, lambda k: str(UUID(int=k * P))),
        (IPv6Address, lambda k: str(IPv6Address(k * P))),
        (Any, lambda k: k * P),
    ],
    ids=["text", "numbers", "underscores", "decimals", "uuids", "addresses", "anything"],
)
@pytest.mark.parametrize("holder", ["set", "frozenset", "dict", "pairs"])
def test_values_with_one_hash_are_refused_whatever_they_are(
    kind: Any, value: Callable[[int], Any], holder: str
) -> None:
    values = [value(k) for k in range(1, 100)]
    schema, body = {
        "set": (set[kind], values),
        "frozenset": (frozenset[kind], values),
        "dict": (dict[kind, str], dict.fromkeys(values, "")),
        "pairs": (set[tuple[kind, kind]], [[one, one] for one in values]),
    }[holder]
    if kind is Any and holder == "dict":
        kind = int  # keys of JSON are text, which nobody can choose a hash of
        schema = dict[int, dict[int, str]]
        body = {one: {1: ""} for one in values}
    with pytest.raises(ValidationError, match="Too many values have the same hash"):
        adapter(schema).validate_python(body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (set[int], [*range(5_000)]),
        (set[int], [P] * 5_000),
        (set, [1, "a", None]),
        (set[str], ["a", "b"]),
        (dict[int, set[int]], {str(k): [k, k * P] for k in range(300)}),
        (dict[Any, int], {"a": 1}),
        (dict[str, Any], {"a": 1}),
        (dict, {"a": 1}),
        (Annotated[dict[str, int], Field(min_length=150, max_length=300)], {str(k): k for k in range(200)}),
        (dict[str, int], MappingProxyType({"a": 1})),
        (Tree, {"below": {str(k): {"below": {"1": {}}} for k in range(300)}}),
        (Json, "[1, 2]"),
        (Json[dict[str, int]], b'{"a": 1}'),
    ],
)
def test_what_is_right_is_as_before(kind: Any, body: Any) -> None:
    assert adapter(kind).validate_python(body) == TypeAdapter(kind).validate_python(body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Annotated[dict[str, int], Field(min_length=2)], {"a": 1}),
        (Annotated[dict[str, int], Field(max_length=200)], {str(k): k for k in range(300)}),
        (dict[str, int], [1]),
        (Json, 7),
        (set[Any], [[]]),
    ],
)
def test_what_is_wrong_is_told_in_the_same_words(kind: Any, body: Any) -> None:
    def words(of: TypeAdapter[Any]) -> list[Mapping[str, Any]]:
        with pytest.raises(ValidationError) as refused:
            of.validate_python(body)
        return [{**error} for error in refused.value.errors(include_url=False)]

    assert words(adapter(kind)) == words(TypeAdapter(kind))


@pytest.mark.parametrize("text", ["[" + "[]," * 200_000 + "0]", "[" + "0," * 1_200_000 + "0]"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_json_in_a_string_is_counted_before_it_is_parsed(text: str, as_bytes: bool) -> None:
    for whole_up_to in (0, 1_000):
        checked = at_first_error(TypeAdapter(list[Json]), whole_up_to)
        with pytest.raises(ValidationError, match="JSON in strings may have 100000 objects and arrays"):
            checked.validate_python([text.encode() if as_bytes else text])
