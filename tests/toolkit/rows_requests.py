"""Rows: what a body becomes by its content type, and what a client accepts."""

from __future__ import annotations

import io
from typing import Any

import numpy

from tests.toolkit.table import Answer, Row, sends

NPY, NPZ = "application/x-npy", "application/x-npz"
_CLIENTS = "It is the client's fault, and its status says so."


def _npy(value: Any) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, value)
    return stream.getvalue()


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, **arrays)
    return stream.getvalue()


TABLE = numpy.array([[1, 2], [3, 4]])

BODIES = (
    Row("a JSON list is an array of NumPy's", "says_types", Answer(json=["ndarray", [2, 2], "i"]), b"[[1, 2], [3, 4]]"),
    Row(
        "a JSON object is a dict",
        "says_types",
        Answer(json=["dict", None, None]),
        b'{"inputs": "a"}',
        fails="It makes an array without dimensions of it, from which nothing can be taken by name.",
    ),
    Row(
        "a JSON text is text",
        "says_types",
        Answer(json=["str", None, None]),
        b'"a"',
        fails="It makes an array without dimensions of it.",
    ),
    Row("CSV is an array", "says_types", Answer(json=["ndarray", [2, 2], "i"]), b"1,2\n3,4\n", sends("text/csv")),
    Row("npy is an array", "says_types", Answer(json=["ndarray", [2, 2], "i"]), _npy(TABLE), sends(NPY)),
    Row(
        "npy with pickled objects",
        "says_types",
        Answer(400, text="allow_pickle=False"),
        _npy(numpy.array([{"a": 1}], dtype=object)),
        sends(NPY),
        reason="To unpickle is to run what the client sends.",
    ),
    Row(
        "npz with arrays by name",
        "names_of_arrays",
        Answer(json={"a": [1], "b": [2]}),
        _npz(a=numpy.array([1]), b=numpy.array([2])),
        sends(NPZ),
        fails="It takes an npz for a sparse matrix of SciPy's, which is taken here too.",
    ),
    Row(
        "`text/plain`",
        "says_text",
        Answer(json="<hello>"),
        b"hello",
        sends("text/plain"),
        fails="Its containers for language models take it; the toolkit alone does not.",
    ),
    Row(
        "another content type",
        "doubles",
        Answer(415, text="the default input_fn takes application/json, text/csv"),
        b"<a/>",
        sends("application/xml"),
        reason=_CLIENTS,
    ),
    Row(
        "JSON with a charset",
        "doubles",
        Answer(json=[2, 4]),
        headers=sends("application/json; charset=utf-8"),
        fails="It compares the whole header.",
    ),
    Row("no content type is JSON", "doubles", Answer(json=[2, 4]), headers={}, fails="It knows no `None`."),
    Row("JSON that is none", "doubles", Answer(400, text="the body is not application/json"), b"{", reason=_CLIENTS),
    Row("an empty body", "doubles", Answer(400, text="the body is not application/json"), b"", reason=_CLIENTS),
    Row("lists of several lengths", "doubles", Answer(400, text="inhomogeneous"), b"[[1], [1, 2]]", reason=_CLIENTS),
    Row("text that is not UTF-8", "doubles", Answer(400, text="the body is not utf-8"), b'["\xff"]', reason=_CLIENTS),
    Row(
        "`input_fn` is given text for JSON",
        "says_what_arrives",
        Answer(json=["str", "application/json", "application/json"]),
    ),
    Row(
        "`input_fn` is given text for CSV",
        "says_what_arrives",
        Answer(json=["str", "text/csv", "application/json"]),
        b"1,2",
        sends("text/csv"),
    ),
    Row(
        "`input_fn` is given bytes for anything else",
        "says_what_arrives",
        Answer(json=["bytes", "image/png", "application/json"]),
        b"\x89PNG",
        sends("image/png"),
    ),
    Row(
        "`input_fn` is told a boundary",
        "says_what_arrives",
        Answer(json=["bytes", "multipart/form-data; boundary=x", "application/json"]),
        b"--x--",
        sends("multipart/form-data; boundary=x"),
    ),
    Row(
        "`input_fn` is told no charset",
        "says_what_arrives",
        Answer(json=["str", "application/json", "application/json"]),
        headers=sends("application/json; charset=utf-8"),
        fails="A script that compares `content_type` with `application/json` refuses it.",
    ),
)

ACCEPTS = (
    Row("no `Accept` is JSON", "answers_table", Answer(json=[[1, 2], [3, 4]], content_type="application/json")),
    Row(
        "`*/*` is JSON",
        "answers_table",
        Answer(json=[[1, 2], [3, 4]], content_type="application/json"),
        headers=sends("application/json", Accept="*/*"),
    ),
    Row(
        "`SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT`",
        "answers_table",
        Answer(body=b"1,2\n3,4\n", content_type="text/csv"),
        environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"},
    ),
    Row(
        "CSV",
        "answers_table",
        Answer(body=b"1,2\n3,4\n", content_type="text/csv"),
        headers=sends("application/json", Accept="text/csv"),
    ),
    Row(
        "npy",
        "answers_table",
        Answer(body=_npy(TABLE), content_type=NPY),
        headers=sends("application/json", Accept=NPY),
    ),
    Row(
        "npz",
        "answers_table",
        Answer(text="arr_0.npy", content_type=NPZ),
        headers=sends("application/json", Accept=NPZ),
        fails="It reads npz, and does not write it.",
    ),
    Row(
        "the first of several that can be given",
        "answers_table",
        Answer(body=b"1,2\n3,4\n", content_type="text/csv"),
        headers=sends("application/json", Accept="image/png, text/csv, application/json"),
    ),
    Row(
        "weights",
        "answers_table",
        Answer(body=b"1,2\n3,4\n", content_type="text/csv"),
        headers=sends("application/json", Accept="application/json;q=0.1, text/csv;q=0.9"),
        fails="It takes the weight for a part of the type.",
    ),
    Row(
        "`*/*` among others",
        "answers_table",
        Answer(json=[[1, 2], [3, 4]], content_type="application/json"),
        headers=sends("application/json", Accept="text/html, */*;q=0.1"),
        fails="It knows `*/*` alone.",
    ),
    Row(
        "`text/*`",
        "answers_table",
        Answer(body=b"1,2\n3,4\n", content_type="text/csv"),
        headers=sends("application/json", Accept="text/*"),
        fails="It knows `*/*` alone.",
    ),
    Row(
        "text where a text is predicted",
        "says_text",
        Answer(body=b"<hello>", content_type="text/plain"),
        b'"hello"',
        sends("application/json", Accept="text/plain"),
        fails="Its containers for language models give it; the toolkit alone does not.",
    ),
    Row(
        "a type that cannot be given",
        "answers_table",
        Answer(406, text="the default output_fn gives application/json, text/csv"),
        headers=sends("application/json", Accept="image/png"),
        reason=_CLIENTS,
    ),
    Row(
        "`output_fn` is given the header as it is",
        "says_what_arrives",
        Answer(json=["str", "application/json", "text/csv, image/png"]),
        headers=sends("application/json", Accept="text/csv, image/png"),
    ),
)
