"""Opens the images that clients send, with bounds that hold before any of their pixels is decoded."""

from __future__ import annotations

import io
from typing import Any

from starlette.exceptions import HTTPException

#: The formats of which Pillow reads the header alone when it opens a file: of others, such as icons, which hold files
#: of other formats, it decodes some at once.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_PIXELS = 50_000_000
#: Pieces of Exif data in a JPEG, which Pillow joins in time that grows with the square, and how each begins.
_PIECES, _EXIF = 100, b"Exif\0\0"
#: Passes over all pixels by which a progressive JPEG is decoded, and pixels times passes; how each begins.
_PASSES, _PASSED, _PASS = 100, 20 * _PIXELS, b"\xff\xda"


def opened(image: Any, body: bytes) -> Any:
    """The image in `body`, which is decoded when its pixels are asked for; `image` is the module `PIL.Image`.

    Raises HTTPException (413) for an image of too many pixels, each of which takes three bytes, or of too many passes;
    ValueError for a body that is none.
    """
    if body.count(_EXIF) > _PIECES:
        raise ValueError(f"it has more than {_PIECES} pieces of Exif data")
    try:
        found = image.open(io.BytesIO(body), formats=FORMATS)
    except image.UnidentifiedImageError:
        raise ValueError(f"it is none of {', '.join(FORMATS)}") from None
    except image.DecompressionBombError as error:
        raise HTTPException(413, f"the image has too many pixels, and {_PIXELS:,} are allowed: {error}") from None
    width, height = found.size
    if width * height > _PIXELS:
        raise HTTPException(413, f"the image has {width} x {height} pixels, and {_PIXELS:,} are allowed")
    passes = body.count(_PASS) if found.format in ("JPEG", "MPO") else 1
    if passes > _PASSES or passes * width * height > _PASSED:
        raise HTTPException(413, f"the image of {width} x {height} pixels is decoded in {passes:,} passes: send fewer")
    return found
