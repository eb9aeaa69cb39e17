"""What an answer becomes, by its type and by what the client accepts."""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any

from starlette.exceptions import HTTPException

from handrail.core.encoding import encoded
from handrail.styles.inference_toolkit.media import ANY, JSON, OCTETS, TEXT, accepted, choose

_BYTES = bytes | bytearray | memoryview
#: The formats of Pillow's that an image may be sent in, by their content type.
_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}


def encode(value: Any, accept: str) -> tuple[bytes, str]:
    """The body and its content type. Raises HTTPException (406), and TypeError for what JSON cannot hold."""
    if isinstance(value, _BYTES):
        return bytes(value), _of_bytes(accept)
    offered = (JSON, *_FORMATS) if _is_image(value) else (JSON,)
    kind = choose(accept or ANY, offered, JSON)
    if kind is None:
        raise HTTPException(406, f"Accept is {accept!r}; this answer is given as {', '.join(offered)}")
    return (to_json(value) if kind == JSON else _to_format(value, _FORMATS[kind])), kind


def _of_bytes(accept: str) -> str:
    """The type of bytes: the first that is asked for and that bytes may be."""
    return next((name for name in accepted(accept) if name not in (JSON, TEXT) and "*" not in name), OCTETS)


def _is_image(value: Any) -> bool:
    module = sys.modules.get("PIL.Image")  # an image is of a module that has been imported
    return module is not None and isinstance(value, module.Image)


def to_json(value: Any) -> bytes:
    """JSON, with null for a number that is not finite."""
    try:
        return _dumped(value).encode()
    except ValueError:
        written = json.dumps(value, default=_plain, separators=(",", ":"))
        return _dumped(json.loads(written, parse_constant=lambda name: None)).encode()


def _dumped(value: Any) -> str:
    return json.dumps(value, default=_plain, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON has for a value of a library: an image is a PNG in Base64."""
    if _is_image(value):
        return base64.b64encode(_to_format(value, "PNG")).decode()
    return value.tolist() if hasattr(value, "tolist") else encoded(value)


def _to_format(image: Any, name: str) -> bytes:
    stream = io.BytesIO()
    opaque = image.convert("RGB") if name == "JPEG" and image.mode not in ("L", "RGB", "CMYK") else image
    opaque.save(stream, format=name)
    return stream.getvalue()
