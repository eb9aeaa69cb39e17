"""Bounds the validation of unions that contain themselves, whose time is exponential in the depth of the input.

pydantic tries every member of a union that has no discriminator. If two members have a field of that union, each value
is validated twice as often as the value that holds it. Members whose tag (a field of `Literal` strings) is another one
are left out before their other fields are validated, and what remains is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError, SchemaValidator, core_schema

from handrail.core.schemas import Node, nodes

#: How often one object may be validated by unions that contain themselves: members that both hold the union double it
#: with each level, so it allows a depth of 10.
_MOST_OF_ONE = 1_024
#: How often all objects may be, plus sixteen times for each.
_MOST_OF_ALL, _MOST_OF_EACH = 4_096, 16
#: The most errors of a union that are kept; more are replaced by a single one.
_MOST_ERRORS = 20
TRIES = "union_too_costly"
_MESSAGE = (
    "Unions that contain themselves are nested too deeply here to try each of their members: nest less, or have the "
    "handler's author give the union a discriminator, Field(discriminator=…)"
)
#: Values that have nothing inside, and so cannot nest.
_ATOMS = frozenset((str, int, float, bool, bytes, type(None)))
_FIELDS = ("model-fields", "typed-dict", "dataclass-args")


class TooManyTries(Exception):
    """A validation exceeds the limits. It is no ValueError, which pydantic would take for the error of one member."""


class Tries:
    """Counts the values that unions are tried with, in one validation."""

    def __init__(self) -> None:
        self._count = 0
        self._times: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that lives has its id for itself

    def add(self, value: Any) -> None:
        """Raises TooManyTries."""
        if type(value) in _ATOMS:
            return
        times = self._times.get(id(value), 0) + 1
        if times == 1:
            self._kept.append(value)
        self._times[id(value)] = times
        self._count += 1
        if times > _MOST_OF_ONE or self._count > _MOST_OF_ALL + _MOST_OF_EACH * len(self._times):
            raise TooManyTries


_tries: ContextVar[Tries | None] = ContextVar("_tries", default=None)


class Recursion:
    """The parts of a schema that are inside of themselves."""

    def __init__(self, schema: Any) -> None:
        found = [*nodes(schema)]
        self._uses: defaultdict[str, set[str]] = defaultdict(set)
        for node in found:
            for ref in node.within if _target(node) else ():
                self._uses[ref].add(_target(node))
        recursive = [node for node in found if node.within and self._is_recursive(node)]
        self._unions = {id(node.schema) for node in recursive if node.schema.get("type") == "union"}
        self._tagged = {id(node.schema) for node in recursive if node.schema.get("type") in _FIELDS}

    def __bool__(self) -> bool:
        """Whether there is a union that contains itself."""
        return bool(self._unions)

    def bounded(self, original: dict[str, Any], schema: dict[str, Any], *, by_tags: bool) -> dict[str, Any]:
        """`schema`, a copy of `original`, or a schema around it that is counted, or left early for its tags."""
        if id(original) in self._unions:
            schema = around(schema, lambda inner: core_schema.no_info_wrap_validator_function(_tried, inner))
        elif by_tags and self and id(original) in self._tagged:
            schema = _left_by_tag(schema)
        return schema

    def _is_recursive(self, node: Node) -> bool:
        """Whether references in `node` lead, over any number of definitions, to one that it is a part of."""
        waiting = [_target(inner) for inner in nodes(node.schema) if _target(inner)]
        reached: set[str] = set()
        while waiting:
            ref = waiting.pop()
            if ref not in reached:
                reached.add(ref)
                waiting.extend(self._uses[ref])
        return not reached.isdisjoint(node.within)


def counting(schema: Any) -> Any:
    """`schema`, the outermost, whose every validation counts for itself."""
    return core_schema.no_info_wrap_validator_function(_counted, schema)


def around(schema: dict[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    """`make(schema)` under the schema's `ref`, so that references lead to the outer schema."""
    name = schema.get("ref")
    made: dict[str, Any] = make({key: value for key, value in schema.items() if key != "ref"})
    return {**made, "ref": name} if name else made


def _target(node: Node) -> str:
    return node.schema["schema_ref"] if node.schema.get("type") == "definition-ref" else ""


def _counted(given: Any, validate: Callable[[Any], Any]) -> Any:
    before = _tries.set(Tries())
    try:
        return validate(given)
    except TooManyTries:
        raise PydanticCustomError(TRIES, _MESSAGE) from None
    finally:
        _tries.reset(before)


def _tried(given: Any, validate: Callable[[Any], Any]) -> Any:
    tries = _tries.get()
    if tries is None:  # an item of an Iterable, which is validated when the handler comes to it
        return _counted(given, lambda value: _tried(value, validate))
    tries.add(given)
    try:
        return validate(given)
    except ValidationError as refused:
        if refused.error_count() > _MOST_ERRORS:
            raise PydanticCustomError("union_error", "Input should fit a member of the union") from None
        raise


def _left_by_tag(schema: Any) -> Any:
    """Fields whose validation ends if a tag is another one; the error of the tag is then the only one."""
    fields = schema["fields"]
    named = fields.items() if isinstance(fields, dict) else ((field["name"], field) for field in fields)
    tags = {name: expected for name, field in named if (expected := _expected(field))}
    if not tags:
        return schema
    only = SchemaValidator(core_schema.typed_dict_schema({name: _tag_field(tags[name]) for name in tags}))

    def has_its_tags(given: Any) -> Any:
        if type(given) is dict:
            for name, expected in tags.items():
                if type(tag := given.get(name)) is str and tag not in expected:
                    only.validate_python(given)  # raises
        return given

    return around(schema, lambda inner: core_schema.no_info_before_validator_function(has_its_tags, inner))


def _tag_field(expected: Iterable[str]) -> Any:
    return core_schema.typed_dict_field(core_schema.literal_schema([*expected]), required=False)


def _expected(field: dict[str, Any]) -> tuple[str, ...]:
    """The values of a field that is a tag: strings, and nothing else; empty for another field."""
    schema = field["schema"]
    if schema["type"] == "default" and schema.get("on_error", "raise") == "raise":
        schema = schema["schema"]
    if "validation_alias" in field or schema["type"] != "literal":
        return ()
    expected = tuple(schema["expected"])
    return expected if all(type(one) is str for one in expected) else ()
