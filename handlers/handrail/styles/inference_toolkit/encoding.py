"""The default `output_fn`: what a prediction becomes, by what the client accepts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException

from handrail.core.encoding import encoded
from handrail.styles.inference_toolkit.decoding import numpy
from handrail.styles.inference_toolkit.media import CSV, JSON, NPY, NPZ, TEXT, choose

#: Names of arguments of NumPy's function.
_TAKEN = frozenset({"file", "allow_pickle"})
GIVEN = (JSON, CSV, NPY, NPZ, TEXT)


def encode(prediction: Any, accept: str, default: str) -> tuple[Any, str]:
    """The body and its content type. `text/plain` is for text alone. Raises HTTPException (406)."""
    offered = GIVEN if isinstance(prediction, str) else GIVEN[:-1]
    kind = choose(accept, offered, default)
    if kind is None:
        raise HTTPException(
            406, f"Accept is {accept!r}; the default output_fn gives {', '.join(offered)}. Write output_fn for others"
        )
    return ENCODERS[kind](prediction), kind


def to_json(value: Any) -> str:
    """JSON, with NaN where the value has it, as the toolkit writes it."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else encoded(value)


def _csv(value: Any) -> str:
    stream = io.StringIO()
    numpy(CSV).savetxt(stream, value, delimiter=",", fmt="%s")
    return stream.getvalue()


def _npy(value: Any) -> bytes:
    stream = io.BytesIO()
    numpy(NPY).save(stream, _unpickled(NPY, value))
    return stream.getvalue()


def _npz(value: Any) -> bytes:
    stream = io.BytesIO()
    arrays = value if isinstance(value, Mapping) else {"arr_0": value}
    if not _TAKEN.isdisjoint(arrays):
        raise HTTPException(406, f"{NPZ} cannot hold arrays named {' or '.join(sorted(_TAKEN))}: accept another type")
    numpy(NPZ).savez(stream, **{name: _unpickled(NPZ, array) for name, array in arrays.items()})
    return stream.getvalue()


def _unpickled(kind: str, value: Any) -> Any:
    """As an array. Raises HTTPException (406) for one of Python's objects: a client would have to unpickle it."""
    array = numpy(kind).asanyarray(value)
    if array.dtype.hasobject:
        raise HTTPException(406, f"{kind} holds arrays, and the prediction is a {type(value).__name__}: accept JSON")
    return array


ENCODERS: dict[str, Callable[[Any], Any]] = {JSON: to_json, CSV: _csv, NPY: _npy, NPZ: _npz, TEXT: str}
