"""Rows: what a body becomes, and functions of SageMaker's toolkit in the same file."""

from __future__ import annotations

from tests.lmi.table import Row, sent_as
from tests.toolkit.table import Answer

TOOLKIT = (
    Row(
        "functions of SageMaker's toolkit in the file",
        "toolkit_functions",
        Answer(json={"prediction": ["one two three", "model"]}),
        "called where nothing is marked",
    ),
    Row(
        "the same beside a mark",
        "toolkit_functions_beside_a_mark",
        Answer(json={"generated_text": "marked"}),
        "not called",
        "not called, with a warning",
        "Nothing is left out in silence.",
    ),
)

DECODING = (
    Row(
        "no content type",
        "looks_at_the_data",
        Answer(json={"generated_text": "str str one two three"}),
        "JSON",
        headers={},
    ),
    Row(
        "an empty body",
        "looks_at_the_data",
        Answer(json={"generated_text": "str str"}),
        '`{"inputs": ""}`',
        body=b"",
        headers={},
    ),
    Row(
        "CSV with the column `inputs`",
        "looks_at_the_data",
        Answer(json={"generated_text": "list str one"}),
        "`inputs` is the list of its cells",
        body=b"inputs,more\none,1\ntwo,2\n",
        headers=sent_as("text/csv"),
    ),
    Row(
        "CSV with the columns `question` and `context`",
        "looks_at_the_data",
        Answer(json={"generated_text": "list dict {'question': 'one', 'context': 'two'}"}),
        "`inputs` is the list of its rows",
        body=b"question,context\none,two\n",
        headers=sent_as("text/csv"),
    ),
    Row(
        "CSV with none of these",
        "looks_at_the_data",
        Answer(400, text="name one of its columns question or context or inputs"),
        "424",
        "400, with the first line and what is taken",
        "The client is at fault.",
        body=b"a,b\n1,2\n",
        headers=sent_as("text/csv"),
    ),
    Row(
        "plain text",
        "looks_at_the_data",
        Answer(json={"generated_text": "list str one"}),
        '`{"inputs": [text]}`',
        body=b"one",
        headers=sent_as("text/plain; charset=utf-8"),
    ),
    Row(
        "a form",
        "looks_at_the_data",
        Answer(json={"generated_text": "str str a=1"}),
        "`inputs` is its text",
        body=b"a=1",
        headers=sent_as("application/x-www-form-urlencoded"),
    ),
    Row(
        "audio",
        "looks_at_the_data",
        Answer(json={"generated_text": "bytes bytes b'RIFF'"}),
        "`inputs` is bytes",
        body=b"RIFF",
        headers=sent_as("audio/wav"),
    ),
    Row(
        "another type",
        "looks_at_the_data",
        Answer(415, text="the body is application/xml; a script for LMI takes application/json, text/csv,"),
        "`inputs` is bytes",
        "415, with what is taken",
        "A type that nobody expects is a client's mistake; `application/octet-stream` is bytes.",
        body=b"<a/>",
        headers=sent_as("application/xml"),
    ),
    Row(
        "JSON that is none",
        "looks_at_the_data",
        Answer(400, text="the body is not application/json: "),
        "424",
        "400",
        "The client is at fault.",
        body=b"{",
    ),
    Row(
        "audio, and no input formatter",
        "adds_a_field",
        Answer(415, text="the body is audio/wav, of which an @input_formatter has to make text"),
        "424",
        "415",
        "The client is told what is missing.",
        body=b"RIFF",
        headers=sent_as("audio/wav"),
    ),
    Row(
        "plain text, and no input formatter",
        "names_the_texts",
        Answer(json=["ONE"]),
        "a request of one text, answered as one",
        "the same, answered with a list",
        "The answer to a list is a list.",
        body=b"one",
        headers=sent_as("text/plain"),
    ),
)
