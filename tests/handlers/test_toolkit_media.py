"""Content types: what a body is, what a client accepts, and the default functions for both."""

from __future__ import annotations

import io
import sys
import zipfile
from types import ModuleType
from typing import Any

import numpy
import pytest
from handrail.styles.inference_toolkit import arrays
from handrail.styles.inference_toolkit.decoding import LibraryMissing, decode
from handrail.styles.inference_toolkit.encoding import encode
from handrail.styles.inference_toolkit.media import MediaType, accepted, choose, one_of
from starlette.exceptions import HTTPException


@pytest.mark.parametrize(
    ("header", "told", "charset"),
    [
        (None, None, "utf-8"),
        ("", "", "utf-8"),
        ("Text/CSV", "text/csv", "utf-8"),
        ("text/csv; charset=latin-1", "text/csv", "latin-1"),
        ("text/csv; Charset=latin-1", "text/csv", "latin-1"),
        ("text/csv;header=present", "text/csv;header=present", "utf-8"),
        ("multipart/form-data; boundary=x", "multipart/form-data; boundary=x", "utf-8"),
    ],
)
def test_what_input_fn_is_told(header: str | None, told: str | None, charset: str) -> None:
    media = MediaType(header)
    assert (media.text, media.charset) == (told, charset)


def test_text_in_its_charset() -> None:
    assert MediaType("text/csv; charset=latin-1").decoded(b"\xe9") == "é"


@pytest.mark.parametrize(
    ("charset", "status"), [("utf-8", 400), ("ascii", 400), ("no-such", 415), ("hex", 415), ("a\0b", 415)]
)
def test_text_that_is_none(charset: str, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        MediaType(f"text/csv; charset={charset}").decoded(b"\xff")
    assert refused.value.status_code == status


def test_what_is_accepted() -> None:
    assert accepted("a/b;q=0.5, c/d, e/f;q=0, , g/h;q=x;p=1") == ["c/d", "g/h", "a/b"]


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("*/*", "b/two"),
        ("a/*", "a/one"),
        ("b/*", "b/two"),
        ("c/three, a/one", "a/one"),
        ("c/*", None),
        ("a/one;q=0.1, */*", "b/two"),
    ],
)
def test_the_type_that_is_chosen(header: str, chosen: str | None) -> None:
    assert choose(header, ["a/one", "b/two"], "b/two") == chosen


def test_any_type_where_the_default_is_not_offered() -> None:
    assert choose("*/*", ["a/one", "b/two"], "c/three") == "a/one"


def test_a_type_for_an_answer_without_one() -> None:
    assert one_of("text/*, a/b;q=0.1", "x/y") == "a/b"
    assert one_of("*/*", "x/y") == "x/y"


def test_json_by_its_suffix() -> None:
    assert decode(b'{"a": 1}', "application/vnd.x+json") == {"a": 1}


def sparse() -> bytes:
    """As SciPy keeps a matrix; the content does not matter here."""
    stream = io.BytesIO()
    numpy.savez(stream, format=b"csr", shape=numpy.array([1, 1]), data=numpy.array([1]))
    return stream.getvalue()


def test_a_sparse_matrix_is_scipy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    scipy, module = ModuleType("scipy"), ModuleType("scipy.sparse")
    vars(module)["load_npz"] = lambda stream: len(stream.read())
    monkeypatch.setitem(sys.modules, "scipy", scipy)
    monkeypatch.setitem(sys.modules, "scipy.sparse", module)
    assert decode(sparse(), "application/x-npz") == len(sparse())


@pytest.mark.parametrize(
    ("library", "body", "kind"),
    [("numpy", b"[1]", "application/json"), ("scipy", sparse(), "application/x-npz")],
)
def test_a_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, library: str, body: bytes, kind: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LibraryMissing, match=f"need {library} for .* add {library} to code/requirements.txt"):
        decode(body, kind)


def test_without_numpy_objects_and_text_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert decode(b'{"a": [1]}', "application/json") == {"a": [1]}
    assert encode({"a": [1]}, "*/*", "application/json") == ('{"a":[1]}', "application/json")


@pytest.mark.parametrize("body", [b"PK", b"", b"\x93NUMPY"])
@pytest.mark.parametrize("kind", ["application/x-npz", "application/x-npy"])
def test_arrays_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(HTTPException) as refused:
        decode(body, kind)
    assert refused.value.status_code == 400


def test_a_body_that_grows_when_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_UNPACKED", 1 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.npy", b"\0" * (2 << 20))
    with pytest.raises(HTTPException) as refused:
        decode(stream.getvalue(), "application/x-npz")
    assert (refused.value.status_code, refused.value.detail) == (
        413,
        "the body has 2,097,152 bytes when it is unpacked, and 1,048,576 are allowed: 16 MiB or 20 times its own, and "
        "1 MiB at most. Send it uncompressed, or in parts",
    )


def test_arrays_by_name_are_packed() -> None:
    packed, kind = encode({"a": numpy.array([1])}, "application/x-npz", "application/json")
    assert kind == "application/x-npz"
    with numpy.load(io.BytesIO(packed)) as arrays:
        assert arrays["a"].tolist() == [1]


class Tensor:
    def tolist(self) -> list[Any]:
        return [1, 2]


def test_what_has_tolist_is_a_list() -> None:
    assert encode({"t": Tensor()}, "application/json", "application/json") == ('{"t":[1,2]}', "application/json")
