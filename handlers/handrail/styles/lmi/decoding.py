"""What a body becomes, by its content type: the dict that an input formatter is given."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

from starlette.exceptions import HTTPException

from handrail.styles.inference_toolkit.arrays import require_cells
from handrail.styles.inference_toolkit.media import CSV, JSON, NPY, OCTETS, TEXT, MediaType
from handrail.styles.lmi.messages import Input, LmiOutput, to_json

FORM = "application/x-www-form-urlencoded"
ARRAYS = ("tensor/npz", "application/x-npz")
ARRAY = ("tensor/ndlist", NPY)
TAKEN = (JSON, CSV, TEXT, FORM, OCTETS, "image/*", "audio/*", *ARRAY, *ARRAYS)
#: Names of columns, of which a table has to have one.
_COLUMNS = ("question", "context", "inputs")


def decode(
    inputs: Input, content_type: str | None = None, key: str | None = None, require_csv_headers: bool = True
) -> Any:
    """The body as data. One without a content type is JSON, and an empty one is `{"inputs": ""}`.

    Raises HTTPException: 415 for a type that is not taken, 400 for a body that is not what its type says.
    """
    media = MediaType(content_type)
    kind = JSON if media.is_json or not media.bare else media.bare
    try:
        return _decoded(inputs, kind, key, has_header=require_csv_headers)
    except (ValueError, EOFError, OSError, RecursionError, zipfile.BadZipFile) as error:
        raise HTTPException(400, f"the body is not {kind}: {error}") from error


def _decoded(inputs: Input, kind: str, key: str | None, *, has_header: bool) -> Any:
    if kind == JSON:
        return inputs.get_as_json(key) if inputs.get_as_bytes(key) else {"inputs": ""}
    if kind == CSV:
        return _table(inputs.get_as_string(key), has_header=has_header)
    if kind == TEXT:
        return {"inputs": [inputs.get_as_string(key)]}
    return {"inputs": _reader(inputs, kind)(key)}


def _reader(inputs: Input, kind: str) -> Any:
    if kind.startswith("image/"):
        return inputs.get_as_image
    if kind in ARRAYS:
        return inputs.get_as_npz
    if kind in ARRAY:
        return inputs.get_as_numpy
    if kind == FORM:
        return inputs.get_as_string
    if kind == OCTETS or kind.startswith("audio/"):
        return inputs.get_as_bytes
    raise HTTPException(415, f"the body is {kind}; a script for LMI takes {', '.join(TAKEN)}")


def _table(text: str, *, has_header: bool) -> Any:
    """The rows. Raises ValueError if none of the columns has a name that is known."""
    require_cells(text)
    if not has_header:
        return [[float(cell) for cell in row] for row in csv.reader(io.StringIO(text))]
    rows = csv.DictReader(io.StringIO(text))
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    if not any(column in name for name in names for column in _COLUMNS):
        raise ValueError(f"its first line is {','.join(names)!r}: name one of its columns {' or '.join(_COLUMNS)}")
    found = list(rows)
    return {"inputs": [row["inputs"] for row in found] if "inputs" in (rows.fieldnames or ()) else found}


def encode(outputs: LmiOutput, prediction: Any, content_type: str | None, key: str | None = None) -> None:
    """Add a prediction in the form of a content type: JSON, CSV, or NumPy's."""
    kind = MediaType(content_type).bare
    if not kind or "json" in kind:
        outputs.add(to_json(prediction), key).add_property("Content-Type", JSON)
    elif kind == CSV:
        outputs.add(_written(prediction), key).add_property("Content-Type", CSV)
    elif kind in ARRAYS:
        outputs.add_as_npz(prediction, key).add_property("Content-Type", kind)
    else:
        outputs.add_as_numpy(prediction, key).add_property("Content-Type", NPY)


def _written(rows: Any) -> str:
    stream, every = io.StringIO(), list(rows)
    writer = csv.DictWriter(stream, every[0].keys())
    writer.writeheader()
    writer.writerows(every)
    return stream.getvalue()
