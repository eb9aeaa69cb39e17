"""What is hidden of a text, and what is left."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from handrail.redaction import Redactor


def hiding(*values: object) -> Redactor:
    redactor = Redactor()
    for value in values:
        redactor.hide(value)
    return redactor


VALUE = 'a "b" \\ é/?&\n c'


@pytest.mark.parametrize("text", [VALUE, repr(VALUE), json.dumps(VALUE), quote(VALUE, safe="")])
def test_a_value_is_hidden_however_it_is_spelt(text: str) -> None:
    """As it is, in `repr`, in JSON, in an address."""
    assert hiding(VALUE + "\n")(f"<{text}>").replace("'", "").replace('"', "") == "<***>"


def test_every_line_of_a_key_is_hidden() -> None:
    """Where a message quotes one."""
    assert hiding("-----BEGIN-----\nMIIBOgIBAAJB\n")("bad line MIIBOgIBAAJB") == "bad line ***"


def test_the_longer_of_two_values_goes_first() -> None:
    """So that nothing of it is left."""
    assert hiding("abcd", "abcdef")("abcdef abcd") == "*** ***"


@pytest.mark.parametrize("value", ["abc", " ab ", "", None, 12345, b"bytes"])
def test_what_is_short_or_no_text_is_left_alone(value: object) -> None:
    """It would be found in every other word."""
    assert hiding(value)("abc ab 12345 bytes") == "abc ab 12345 bytes"


def test_within_data() -> None:
    """Keys and values of whatever JSON has; other objects as they are."""
    data = {"s3cret": ["a s3cret", ("s3cret", 5)], "plain": None}
    assert hiding("s3cret").within(data) == {"***": ["a ***", ["***", 5]], "plain": None}
    assert Redactor().within(data) is data
