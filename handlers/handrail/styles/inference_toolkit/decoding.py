"""The default `input_fn`: what a body becomes, by its content type."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException

from handrail.styles.inference_toolkit.arrays import (
    check_table,
    load_npy,
    load_npz,
    require_room_of_items,
    require_unpacked,
)
from handrail.styles.inference_toolkit.media import CSV, JSON, NPY, NPZ, TEXT, MediaType

TAKEN = (JSON, CSV, NPY, NPZ, TEXT)
#: The members of a file in which SciPy keeps a sparse matrix.
_SPARSE = frozenset({"format.npy", "shape.npy", "data.npy"})


def decode(data: Any, content_type: str | None) -> Any:
    """The object for `predict_fn`. A body without a content type is taken for JSON.

    Raises HTTPException: 415 for another type, 400 for a body that is not what its type says.
    """
    media = MediaType(content_type)
    kind = JSON if media.is_json or not media.bare else media.bare
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise HTTPException(
            415, f"the body is {media.bare}; the default input_fn takes {', '.join(TAKEN)}. Write input_fn for others"
        )
    given = media.decoded(data) if isinstance(data, bytes) and kind in (JSON, CSV, TEXT) else data
    try:
        return decoder(given)
    except (ValueError, EOFError, OSError, MemoryError, RecursionError, zipfile.BadZipFile) as error:
        raise HTTPException(400, f"the body is not {kind}: {error}") from error


def _json(text: str) -> Any:
    """A list becomes an array, as in the toolkit; an object, a text and a number stay what they are."""
    value = json.loads(text)
    if not isinstance(value, list):
        return value
    library = numpy("a JSON list")
    if '"' in text:  # an array of texts takes the length of the longest for each
        items = library.array(value, dtype=object)
        require_room_of_items(items.flat, items.size, len(text))
    return library.array(value)


def _csv(text: str) -> Any:
    check_table(text)
    return numpy(CSV).genfromtxt(io.StringIO(text), dtype=None, delimiter=",", encoding="utf-8")


def _npy(data: bytes) -> Any:
    return load_npy(numpy(NPY), data)


def _npz(data: bytes) -> Any:
    """A sparse matrix of SciPy's, or arrays by name."""
    if require_unpacked(data) >= _SPARSE:
        return _library("scipy.sparse", "a sparse matrix").load_npz(io.BytesIO(data))
    return load_npz(numpy(NPZ), data)


def _text(text: str) -> str:
    return text


_DECODERS: dict[str, Callable[[Any], Any]] = {JSON: _json, CSV: _csv, NPY: _npy, NPZ: _npz, TEXT: _text}


class LibraryMissing(ImportError):
    """A default function needs a library that is not installed."""


def numpy(what: str) -> Any:
    """NumPy. Raises LibraryMissing."""
    return _library("numpy", what)


def _library(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        raise LibraryMissing(
            f"the default input_fn and output_fn need {package} for {what}, and it is not installed: add {package} to "
            "code/requirements.txt, or write the function"
        ) from None
