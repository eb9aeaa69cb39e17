"""What is hidden of a text, and what is left."""

from __future__ import annotations

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from handrail.core.redaction import Redactor, is_secret


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


@pytest.mark.parametrize(
    "name",
    ["KEY", "db-password", "apiToken", "SM_VLLM_S3_CREDENTIAL", "MY_PASSWD", "OPENAI_APIKEY", "hf_token"],
)
def test_a_name_that_says_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["KEYBOARD", "MONKEY", "MODEL_KEY", "MAX_TOKENS", "TOKENIZER", "RETRIES", ""])
def test_a_name_that_says_none(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("value", ["AKIA/b+c d&<e>'f\"\\é", "\ud800/lone?"])
def test_a_value_is_hidden_as_libraries_encode_it(value: str) -> None:
    """Nothing of it is left, and what surrounds it is."""
    octets = value.encode(errors="surrogatepass")
    texts = [quote(octets), quote_plus(octets), html.escape(value), html.escape(value, quote=False)]
    texts += [octets.hex(), octets.hex().upper(), json.dumps(repr(value)[1:-1])[1:-1], shlex.quote(value).strip("'")]
    texts += [encode(octets).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    assert [hiding(value)(f"<{text}>") for text in texts] == ["<***>"] * len(texts)
