"""Java's form of a properties file."""

from __future__ import annotations

import contextlib

import pytest
from handrail_container.program.lmi.java_properties import MalformedProperties, Property, parse
from hypothesis import given
from hypothesis import strategies as some


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a=b", "a", "b"),
        ("a: b", "a", "b"),
        ("a b c", "a", "b c"),
        ("a\tb", "a", "b"),
        ("  a  =  b  ", "a", "b"),
        ("a = = b", "a", "= b"),
        ("a", "a", ""),
        ("a=", "a", ""),
        ("=b", "", "b"),
        ("a=b#c", "a", "b#c"),
        (r"a\=b=c", "a=b", "c"),
        (r"a\ b c", "a b", "c"),
        (r"a=\u0041\t\n\r\f\z", "a", "A\t\n\r\fz".strip()),
        (r"a=C:\\models", "a", r"C:\models"),
        ("a=b\\\n    c", "a", "bc"),
        ("a=b\\\r\n # c", "a", "b# c"),
        ("a=b\\\\\nc=d", "a", "b\\"),
        ("a=b\\", "a", "b"),
        ('a={"b": 1}', "a", '{"b": 1}'),
    ],
)
def test_a_line_is_read_as_java_reads_it(text: str, key: str, value: str) -> None:
    first = parse(text)[0]
    assert (first.key, first.value) == (key, value)


def test_a_property_has_the_line_that_it_begins_in() -> None:
    text = "# a comment \\\n\n! another\r  a=1\\\n2\r\n\fb=3\n"
    assert parse(text) == [Property("a", "12", 4), Property("b", "3", 6)]


def test_an_escape_that_java_refuses_is_refused_with_its_line() -> None:
    with pytest.raises(MalformedProperties, match="four hexadecimal digits") as refused:
        parse("a=1\nb=C:\\users")
    assert refused.value.line == 2


@given(some.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedProperties):
        assert all(one.line >= 1 for one in parse(text))
