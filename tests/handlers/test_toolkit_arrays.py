"""Bodies that would become arrays of ten thousand times their bytes."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from handrail.styles.endpoint_handler.decoding import reader
from handrail.styles.inference_toolkit import arrays
from handrail.styles.inference_toolkit.decoding import decode
from handrail.styles.inference_toolkit.encoding import encode
from handrail.styles.inference_toolkit.media import MediaType
from handrail.styles.lmi.decoding import decode as decode_for_lmi
from handrail.styles.lmi.messages import input_of
from PIL import Image
from starlette.exceptions import HTTPException

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"


def refusal(body: Any, kind: str) -> HTTPException:
    with pytest.raises(HTTPException) as refused:
        decode(body, kind)
    return refused.value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps([""] * 5000 + ["x" * 50_000]), JSON),
        (json.dumps([[1.5, "x" * 50_000]] * 2 + [[2, ""]] * 500), JSON),
        (json.dumps(["x"] + [1.5] * 200_000), JSON),
        (json.dumps(["x"] + [1] * 250_000), JSON),
        (json.dumps(["x"] + [0.1234567890123456] * 200_001), JSON),
        ("x" * 30_000 + "\n" + "a\n" * 5000, CSV),
        ("1," * 10_001 + "1", CSV),
        ("1\n" * 500_001, CSV),
        ("\t\n" * 500_001, CSV),
        ("#\n" * 500_001, CSV),
        ("\t,1\n" * 260_000, CSV),
    ],
    ids=[
        *("texts", "texts and numbers", "a text and floats", "a text and integers", "a text and long floats"),
        *("column", "columns", "cells", "tabs", "comments", "tabs and numbers"),
    ],
)
def test_what_would_take_too_much_is_413(body: str, kind: str) -> None:
    assert refusal(body, kind).status_code == 413


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (json.dumps(["a"] * 100 + ["x" * 2000]), (101,)),
        (json.dumps(["x" * 100] * 5000), (5000,)),
        (json.dumps(['"']), (1,)),
        (json.dumps([[], []]), (2, 0)),
    ],
)
def test_texts_of_any_honest_length_are_an_array(body: str, shape: tuple[int, ...]) -> None:
    assert decode(body, JSON).shape == shape


def test_csv_as_numpy_has_it() -> None:
    """Comments and empty lines are no rows."""
    assert decode("1,2\n\n# no row\n3,4 # a comment\n", CSV).tolist() == [[1, 2], [3, 4]]
    assert decode("1,a\n2,bc\n", CSV).tolist() == [(1, "a"), (2, "bc")]


def test_a_line_that_numpy_keeps_is_counted() -> None:
    """NumPy strips spaces and line ends alone: a tab is a cell."""
    assert refusal("1,2\n\t\n", CSV).detail == "the body is not text/csv: line 2 has 1 columns, and the first has 2"
    assert decode("1,2\r\n \r\n3,4\r\n", CSV).tolist() == [[1, 2], [3, 4]]


def test_lines_of_different_lengths_end_at_the_first() -> None:
    refused = refusal("1,2\n" + "1\n" * 400_000, CSV)
    assert (refused.status_code, refused.detail) == (
        400,
        "the body is not text/csv: line 2 has 1 columns, and the first has 2",
    )


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"(" * 9000,
        b"{" * 9000,
        b"-" * 9800,
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 4000 + b",)}",
    ],
    ids=["brackets", "braces", "signs", "digits"],
)
def test_a_header_that_no_parser_takes_is_400(header: bytes) -> None:
    assert refusal(npy(header), NPY).status_code == 400


@pytest.mark.parametrize(("kind", "shape"), [("<f8", "(3000000, 0)"), ("|S0", "(1000000000000,)")])
def test_arrays_of_nothing_have_a_bound(kind: str, shape: str) -> None:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    assert "an array of no bytes" in refusal(npy(head), NPY).detail


def test_arrays_of_nothing_by_name_have_one_too() -> None:
    stream = io.BytesIO()
    numpy.savez(stream, a=numpy.zeros((3_000_000, 0)), b=numpy.zeros(1))
    assert "an array of no bytes" in refusal(stream.getvalue(), NPZ).detail


@pytest.mark.parametrize(
    ("prediction", "kind"), [({"a": 1}, NPY), ([None], NPY), ({"a": [{}]}, NPZ), ({"file": [1]}, NPZ)]
)
def test_no_client_is_given_a_pickle(prediction: Any, kind: str) -> None:
    with pytest.raises(HTTPException) as refused:
        encode(prediction, kind, JSON)
    assert refused.value.status_code == 406


def test_a_long_type_and_a_slow_charset_are_refused_where_no_gate_has() -> None:
    with pytest.raises(HTTPException) as long:
        MediaType("text/csv; a=" + ";" * 2000)
    with pytest.raises(HTTPException) as slow:
        MediaType("text/csv; charset*=utf-8''puny%63ode").decoded(b"a-")
    assert (long.value.status_code, slow.value.status_code) == (400, 415)


@pytest.mark.parametrize("charset", ["cp037", "utf-7", "shift_jis", "unicode_escape", "gbk", "hex"])
@pytest.mark.parametrize("kind", [JSON, "application/ld+json", ""])
def test_json_is_taken_in_charsets_that_are_counted(charset: str, kind: str) -> None:
    """The bounds on JSON look at bytes, in which these have brackets and quotation marks of their own."""
    body = b"[1]"
    with pytest.raises(HTTPException, match="is none for JSON: send utf-8") as refused:
        decode(body, f"{kind};charset={charset}")
    with pytest.raises(HTTPException, match="is none for JSON: send utf-8"):
        reader(f"{kind};charset={charset}", "")(body)
    assert refused.value.status_code == 415


@pytest.mark.parametrize("charset", ["latin-1", "windows-1252", "utf-16", "UTF-8", "us-ascii", "utf-32-be", "koi8-r"])
def test_json_is_taken_in_charsets_that_clients_use(charset: str) -> None:
    assert decode('{"a": 1}'.encode(charset), f"{JSON}; charset={charset}") == {"a": 1}


def of_lmi(body: bytes, kind: str) -> Any:
    request = input_of({"content-type": kind}, body, {}, None)  # type: ignore[arg-type]  # it is not asked
    return decode_for_lmi(request, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"inputs\n" + b"1\n" * 500_000, CSV),
        (b"inputs" + b",a" * 10_000 + b"\n1\n", CSV),
        (b"inputs" + b",a" * 999 + b"\n" + b"1\n" * 501, CSV),
        (b"inputs\n" + b"," * 500_001, CSV),
        (b'"inputs\n"' + b",a" * 999 + b"\n" + b"1\n" * 501, CSV),
        (b'"inputs\n"' + b",a" * 10_000 + b"\n1\n", CSV),
        (b"\ninputs" + b",a" * 999 + b"\n" + b"1\n" * 501, CSV),
    ],
    ids=[
        *("rows", "columns", "rows that are filled up", "one long row"),
        *("a name of two lines", "columns behind a name of two lines", "an empty line first"),
    ],
)
def test_tables_for_lmi_have_the_bounds(body: bytes, kind: str) -> None:
    with pytest.raises(HTTPException) as refused:
        of_lmi(body, kind)
    assert refused.value.status_code == 413


def test_a_table_that_a_script_reads_itself_has_the_bounds() -> None:
    body = b'"inputs\n"' + b",a" * 999 + b"\n" + b"1\n" * 501
    with pytest.raises(HTTPException) as refused:
        input_of({}, body, {}, None).get_as_csv()  # type: ignore[arg-type]  # it is not asked
    assert refused.value.status_code == 413


def test_cells_of_several_lines_are_one_cell() -> None:
    """As the csv module reads them: an honest table of long texts is not refused for its lines."""
    text = "a line, and another\n" * 400
    body = "inputs,n\n" + f'"{text}",1\n' * 20
    assert of_lmi(body.encode(), CSV) == {"inputs": [text] * 20}


@pytest.mark.parametrize("body", [b"inputs\n" + b"x" * 200_000 + b"\n", b"inputs\na\rb\n"])
def test_what_is_no_csv_is_400(body: bytes) -> None:
    with pytest.raises(HTTPException, match="the body is not text/csv: ") as refused:
        of_lmi(body, CSV)
    assert refused.value.status_code == 400


def test_arrays_for_lmi_have_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_UNPACKED", 1 << 20)
    stream = io.BytesIO()
    numpy.savez_compressed(stream, a=numpy.zeros(1 << 20))
    with pytest.raises(HTTPException, match="and 1,048,576 are allowed"):
        of_lmi(stream.getvalue(), NPZ)
    with pytest.raises(HTTPException, match="an array of no bytes"):
        of_lmi(npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3000000, 0), }"), NPY)


def packed(arrays: dict[str, Any], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, array in arrays.items():
            one = io.BytesIO()
            numpy.save(one, array)
            archive.writestr(f"{name}.npy", one.getvalue())
    return stream.getvalue()


def test_an_archive_unpacks_to_no_more_than_its_body_allows() -> None:
    """16 MiB for any, 20 times the body for larger ones; packed as it is it may have any size."""
    zeros = numpy.zeros(20 << 20, numpy.uint8)
    assert refusal(packed({"a": zeros}), NPZ).status_code == 413
    assert decode(packed({"a": zeros}, zipfile.ZIP_STORED), NPZ)["a"].nbytes == 20 << 20
    assert decode(packed({"a": zeros[: 15 << 20]}), NPZ)["a"].nbytes == 15 << 20


def test_an_archive_of_too_many_members_is_not_listed() -> None:
    one = numpy.zeros(1)
    assert "more than 1,000 members" in refusal(packed({f"a{i}": one for i in range(1001)}), NPZ).detail
    assert len(decode(packed({f"a{i}": one for i in range(1000)}), NPZ)) == 1000


def test_an_archive_that_is_sent_as_one_array_is_400() -> None:
    refused = refusal(packed({"a": numpy.zeros(1)}), NPY)
    assert (refused.status_code, "it begins with b'PK" in refused.detail) == (400, True)


def an_image(size: tuple[int, int], kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("1", size).save(stream, kind)
    return stream.getvalue()


def read_image(body: bytes) -> Any:
    return reader("image/png", "")(body)["inputs"]


def open_for_lmi(body: bytes) -> Any:
    return of_lmi(body, "image/png")["inputs"]


both = pytest.mark.parametrize("read", [read_image, open_for_lmi])


@both
def test_an_image_has_a_bound_of_its_pixels(read: Callable[[bytes], Any]) -> None:
    """2 KB may have a hundred million of them."""
    with pytest.raises(HTTPException, match="10000 x 6000 pixels, and 50,000,000 are allowed") as refused:
        read(an_image((10_000, 6_000), "PNG"))
    with pytest.raises(HTTPException, match="too many pixels, and 50,000,000 are allowed") as bomb:
        read(an_image((20_000, 10_000), "PNG"))
    assert (refused.value.status_code, bomb.value.status_code) == (413, 413)


@both
def test_an_image_in_a_file_of_icons_is_not_decoded(read: Callable[[bytes], Any]) -> None:
    """Pillow decodes it as it opens the file, whatever its size is."""
    inside = an_image((1000, 1000), "PNG")
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22)
    for icons in (b"\0\0\1\0\1\0" + entry + inside, an_image((64, 64), "ICNS")):
        with pytest.raises(HTTPException, match="it is none of BMP, GIF, JPEG, PNG, TIFF, WEBP") as refused:
            read(icons)
        assert refused.value.status_code == 400


@both
@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_the_usual_images_are_read(kind: str, read: Callable[[bytes], Any]) -> None:
    assert read(an_image((3, 2), kind)).size == (3, 2)


@both
def test_a_jpeg_of_many_pieces_is_refused(read: Callable[[bytes], Any]) -> None:
    whole = an_image((3, 2), "JPEG")
    piece = b"\xff\xe1" + struct.pack(">H", 10) + b"Exif\0\0MM"
    assert read(whole[:2] + piece * 100 + whole[2:]).size == (3, 2)
    with pytest.raises(HTTPException, match="more than 100 pieces of Exif data"):
        read(whole[:2] + piece * 101 + whole[2:])


@both
def test_a_jpeg_of_many_passes_is_refused(read: Callable[[bytes], Any]) -> None:
    """75 bytes more make one more pass over all pixels."""
    stream = io.BytesIO()
    Image.new("L", (3, 2)).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    last = whole[whole.rfind(b"\xff\xda") : -2]
    assert read(whole).size == (3, 2)
    with pytest.raises(HTTPException, match=r"3 x 2 pixels is decoded in [0-9]+ passes") as refused:
        read(whole[:-2] + last * 100 + whole[-2:])
    assert refused.value.status_code == 413


@both
def test_passes_over_many_pixels_are_fewer(read: Callable[[bytes], Any]) -> None:
    stream = io.BytesIO()
    Image.new("L", (7000, 7000)).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    last = whole[whole.rfind(b"\xff\xda") : -2]
    with pytest.raises(HTTPException, match=r"7000 x 7000 pixels is decoded in 2[0-9] passes"):
        read(whole[:-2] + last * 20 + whole[-2:])
