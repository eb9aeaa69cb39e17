"""Unions that contain themselves: the time to validate one is bounded, however it is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

import pytest
from handrail.core.first_error import at_first_error
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Discriminator, Field, RootModel, Tag, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType, TypedDict


class Whole(BaseModel):
    a: int
    u: Numbers | None = None


class Text(BaseModel):
    a: str
    u: Numbers | None = None
    more: int = 0


class Fraction(BaseModel):
    a: float
    u: Numbers | None = None


Numbers = Whole | Text | Fraction


class Name(BaseModel):
    name: str


class Not(BaseModel):
    op: Literal["not"] = "not"
    arg: Expression


class Every(BaseModel):
    op: Literal["all", "every"]
    arg: Expression


Expression = Name | Not | Every


class Left(TypedDict, total=False):
    u: Left | Right
    kind: Literal["left"]


class Right(TypedDict, total=False):
    u: Left | Right
    n: int
    kind: Literal["right"]


@dataclass
class Ast:
    u: Ast | Bst | None = None
    n: int = 0


@dataclass
class Bst:
    u: Ast | Bst | None = None
    n: float = 0


class In(RootModel[Union["dict[Literal['u'], In]", "dict[Literal['u'], Out]", int]]):
    pass


class Out(RootModel[Union["dict[Literal['u'], In]", "dict[Literal['u'], Out]", float]]):
    pass


class Lists(BaseModel):
    u: list[Lists] | list[Others] = []


class Others(BaseModel):
    u: list[Lists] | list[Others] = []


class InOrder(BaseModel):
    u: Annotated[InOrder | Tagged, Field(union_mode="left_to_right")] | None = None


class Tagged(BaseModel):
    u: Annotated[InOrder, Tag("a")] | Annotated[Tagged, Tag("b")] | None = None


class Metadata(BaseModel):
    """Fields with names that a schema has too."""

    metadata: Annotated[Metadata | Default | None, Field(alias="u")] = None


class Default(BaseModel):
    default: Annotated[Metadata | Default | None, Field(alias="u")] = None


Alias = TypeAliasType("Alias", "dict[Literal['u'], Alias] | dict[Literal['u', 'v'], Alias] | int")  # type: ignore[misc]
JsonLike = TypeAliasType("JsonLike", "dict[str, JsonLike] | list[JsonLike] | str | int")  # type: ignore[misc]
KINDS = [
    Numbers,
    Left | Right,
    Ast | Bst,
    In,
    Lists,
    InOrder,
    Tagged,
    Metadata,
    Alias,
    list[Numbers],
    dict[str, Numbers],
]


def nested(depth: int, leaf: Any, key: str = "u", **more: Any) -> Any:
    for _ in range(depth):
        leaf = {**more, key: leaf}
    return leaf


def outcome(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return "refused"


@pytest.mark.parametrize("whole_up_to", [0, 256])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_depth_is_refused_before_it_takes_long(kind: Any, whole_up_to: int) -> None:
    """Each level doubles or triples the time: without a bound, this would take longer than the universe is old."""
    adapter = at_first_error(TypeAdapter(kind), whole_up_to)
    value: Any = nested(180, [] if kind is not Lists else {"u": 1}, a=1)
    if kind is Lists:
        for _ in range(180):
            value = {"u": [value]}
    elif kind in (In, Alias):
        value = nested(180, "no")
    elif kind == list[Numbers]:
        value = [value]
    elif kind == dict[str, Numbers]:
        value = {"a": value}
    began = time.process_time()
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(value)
    assert time.process_time() - began < 2
    assert refused.value.error_count() < 100
    assert "give the union a discriminator" in str(refused.value)


@pytest.mark.parametrize("whole_up_to", [0, 256])
def test_tags_spare_the_other_members(whole_up_to: int) -> None:
    adapter = at_first_error(TypeAdapter(Expression), whole_up_to)
    value = nested(150, {"name": "a"}, "arg", op="every")
    found = adapter.validate_python(value)
    for _ in range(150):
        found = found.arg
    assert found == Name(name="a")
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(nested(20, {"name": 1}, "arg", op="every"))
    assert {"type": "literal_error", "loc": ("Not", "op")} in [
        {"type": error["type"], "loc": error["loc"]} for error in refused.value.errors()
    ]


@pytest.mark.parametrize("value", [nested(10, {"name": "a"}, "arg"), nested(6, {"a": "x"}, a=1)])
def test_what_people_write_is_valid_as_before(value: Any) -> None:
    kind = Expression if "arg" in value else Numbers
    for whole_up_to in (0, 256):
        assert at_first_error(TypeAdapter(kind), whole_up_to).validate_python(value) == TypeAdapter(
            kind
        ).validate_python(value)


def test_items_that_are_validated_as_a_handler_comes_to_them() -> None:
    adapter = at_first_error(TypeAdapter(Iterable[Numbers]))
    items = adapter.validate_python([{"a": 1}, nested(50, {"a": 1}, a=1)])
    assert next(items) == Whole(a=1)
    with pytest.raises(ValidationError, match="give the union a discriminator"):
        next(items)


def test_members_under_one_tag() -> None:
    def tag(value: Any) -> str:
        return "numbers"

    kind: Any = Annotated[Annotated[Numbers, Tag("numbers")] | Annotated[int, Tag("int")], Discriminator(tag)]
    for whole_up_to in (0, 256):
        with pytest.raises(ValidationError, match="give the union a discriminator"):
            at_first_error(TypeAdapter(kind), whole_up_to).validate_python(nested(50, {"a": 1}, a=1))


def test_many_equal_values_are_not_one() -> None:
    values = {"a": [0] * 5_000, "b": ["x"] * 5_000, "c": [{"a": [1]} for _ in range(3_000)]}
    assert at_first_error(TypeAdapter(JsonLike)).validate_python(values) == values
    trees = [nested(3, {"a": 1}, a="x") for _ in range(2_000)]
    assert len(at_first_error(TypeAdapter(list[Numbers])).validate_python(trees)) == 2_000


def test_a_small_wrong_value_gets_its_errors() -> None:
    for kind, value in ((Numbers, {"a": 1, "u": {"a": []}}), (Expression, {"op": "not", "arg": {"name": 1}})):
        with pytest.raises(ValidationError) as ours:
            at_first_error(TypeAdapter(kind), 256).validate_python(value)
        with pytest.raises(ValidationError) as plain:
            TypeAdapter(kind).validate_python(value)
        assert ours.value.errors() == plain.value.errors()


def test_each_validation_counts_for_itself() -> None:
    adapter = at_first_error(TypeAdapter(Expression), 256)
    value = nested(9, {"name": "a"}, "arg")
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.extend(adapter.validate_python(value) for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [TypeAdapter(Expression).validate_python(value)] * 20


_LEAVES = st.sampled_from([1, 1.5, "1", "x", None, [], True])


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = dict.fromkeys(("u", "arg", "a", "name", "n", "more"), inner)
    kinds = st.sampled_from(["not", "all", "left", "right", "other", 1])
    return st.fixed_dictionaries({}, optional={**keys, "op": kinds, "kind": kinds}) | st.lists(inner, max_size=2)


@given(st.recursive(_LEAVES, _objects, max_leaves=8))
def test_what_is_valid_and_what_it_becomes_is_as_plain_pydantic_has_it(value: Any) -> None:
    for few, whole, plain in ADAPTERS:
        expected = outcome(plain, value)
        assert repr(outcome(few, value)) == repr(expected)
        assert repr(outcome(whole, value)) == repr(expected)


_HANDLERS: list[Any] = [Numbers, Expression, Left | Right, Ast | Bst, In, Lists, Tagged, Metadata, Alias, JsonLike]
ADAPTERS = [
    (at_first_error(TypeAdapter(kind)), at_first_error(TypeAdapter(kind), 256), TypeAdapter(kind)) for kind in _HANDLERS
]
