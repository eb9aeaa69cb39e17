"""Bounds on the arrays that a body becomes: some take ten thousand times its bytes."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException

#: Bytes of a character in an array of texts.
_CHARACTER = 4
#: Bytes that an array of texts may take, or a compressed body when it is unpacked, or so many times the body's if that
#: is more.
_TEXTS, _TIMES = 16 * 1024 * 1024, 20
#: Numbers that NumPy writes as texts, in one step of a microsecond and a half for each.
_NUMBERS = 200_000
#: Characters that NumPy gives a number at least where one array has numbers and texts.
_WIDTHS = {float: 32, int: 21, bool: 5}
#: NumPy keeps 170 bytes for a cell of CSV while it reads, and 700 for a column.
_CELLS, _COLUMNS = 500_000, 10_000
#: Items and lists in an array without bytes, of which a header can name any number.
_EMPTY = 1_000_000
#: Bytes that any compressed body may have when it is unpacked.
_UNPACKED = 256 * 1024 * 1024
#: Members of an archive, each of which takes NumPy 0.3 ms, and how the record of one begins.
_MEMBERS, _MEMBER = 1000, b"PK\x01\x02"
_NPY = b"\x93NUMPY"


def require_room(characters: int, body: int) -> None:
    """Raises HTTPException (413) where an array of texts would take too much. `body` is the body's length."""
    size, most = characters * _CHARACTER, max(_TEXTS, _TIMES * body)
    if size > most:
        raise HTTPException(
            413,
            f"the body becomes an array of texts in which each takes the room of the longest: {size:,} bytes, and "
            f"{most:,} are allowed. Send texts of similar length, or write input_fn",
        )


def require_room_of_items(items: Iterable[Any], count: int, body: int) -> None:
    """`require_room` for the items of a list that has texts: each of `count` items takes the room of the longest.
    NumPy writes the numbers among them as texts, all in one step."""
    longest = numbers = 0
    for item in items:
        longest, numbers = max(longest, _width(item)), numbers + (type(item) is float)
    if numbers > _NUMBERS:
        raise HTTPException(413, f"the body has more than {_NUMBERS:,} numbers in a list with texts: send them apart")
    require_room(count * longest, body)


def _width(item: Any) -> int:
    return max(len(str(item)), _WIDTHS.get(type(item), 0))


def check_table(text: str) -> None:
    """Raises ValueError where lines of CSV have different numbers of columns, HTTPException (413) where the table is
    too large. NumPy would collect all such lines, or would keep each text with the room of its column's longest."""
    if text.count("\n") > _CELLS:
        raise _too_many_cells()
    longest: list[int] = []
    rows = 0
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.partition("#")[0].strip(" \r\n").split(",")  # as NumPy does
        if cells == [""]:
            continue
        rows += 1
        if rows == 1:
            longest = [0] * len(cells)
        elif len(cells) != len(longest):
            raise ValueError(f"line {number} has {len(cells)} columns, and the first has {len(longest)}")
        if len(longest) > _COLUMNS or rows * len(longest) > _CELLS:
            raise _too_many_cells()
        longest = [max(pair) for pair in zip(longest, map(len, cells), strict=True)]
    require_room(rows * sum(longest), len(text))


def require_cells(text: str) -> None:
    """Raises HTTPException (413) where a table, whose rows are filled up to the columns of its first, has more cells
    than are allowed; ValueError where it is no CSV. A row may be of several lines, as its cells may."""
    if text.count(",") > _CELLS:
        raise _too_many_cells()
    cells = columns = 0
    try:
        for row in csv.reader(io.StringIO(text)):
            columns = columns or len(row)
            cells += max(len(row), columns, 1)
            if columns > _COLUMNS or cells > _CELLS:
                raise _too_many_cells()
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _too_many_cells() -> HTTPException:
    return HTTPException(
        413, f"the CSV has more than {_COLUMNS:,} columns or {_CELLS:,} cells: send less, or read it in your script"
    )


def load_npy(numpy: Any, data: bytes) -> Any:
    """The array in a file of `numpy`'s. Raises ValueError."""
    if not data.startswith(_NPY):  # NumPy would take an archive, too
        raise ValueError(f"it begins with {data[:6]!r}, and an array of NumPy's with {_NPY!r}")
    try:
        array = numpy.load(io.BytesIO(data), allow_pickle=False)  # to unpickle is to run what the client sends
    except Exception as error:  # noqa: BLE001  the header is parsed as Python is, whose parser raises many kinds
        raise ValueError(f"{type(error).__name__}: {error}") from None
    _require_bytes(array)
    return array


def load_npz(numpy: Any, data: bytes) -> dict[str, Any]:
    """The arrays in a file by their names. Raises ValueError, BadZipFile, and HTTPException as `require_unpacked`."""
    require_unpacked(data)
    with numpy.load(io.BytesIO(data), allow_pickle=False) as arrays:
        found = dict(arrays)
    for array in found.values():
        _require_bytes(array)
    return found


def require_unpacked(data: bytes) -> set[str]:
    """The names of the members. Raises HTTPException (413) if they are too large or too many, BadZipFile."""
    if data.count(_MEMBER) > _MEMBERS:
        raise HTTPException(413, f"the body is an archive of more than {_MEMBERS:,} members: send fewer arrays")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = packed.infolist()
    most = min(_UNPACKED, max(_TEXTS, _TIMES * len(data)))
    if (size := sum(member.file_size for member in members)) > most:
        raise HTTPException(
            413,
            f"the body has {size:,} bytes when it is unpacked, and {most:,} are allowed: {_TEXTS >> 20} MiB or "
            f"{_TIMES} times its own, and {_UNPACKED >> 20} MiB at most. Send it uncompressed, or in parts",
        )
    return {member.filename for member in members}


def _require_bytes(array: Any) -> None:
    """Raises ValueError for an array of no bytes with more items, or lists of none, than can be listed."""
    if array.nbytes == 0 and math.prod(max(size, 1) for size in array.shape) > _EMPTY:
        raise ValueError(f"an array of no bytes has the shape {array.shape}")
