"""What a body becomes, by its content type: the dict that the handler is called with."""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException

from handrail.core.shortened import shortened
from handrail.styles.images import opened
from handrail.styles.inference_toolkit.media import OCTETS, MediaType

Read = Callable[[bytes], dict[str, Any]]

#: Tasks whose `inputs`, where they are text, are an audio file in Base64.
_SPEECH = ("automatic-speech-recognition", "audio-classification")
#: Imported where an image comes, as few handlers take one.
_IMAGES = "PIL.Image"
_TAKEN = "application/json, image/*, audio/*"
_BODY = '{"inputs": …, "parameters": {…}}'


class PillowMissing(ImportError):
    """An image needs Pillow, and it is not installed."""


def reader(content_type: str | None, task: str) -> Read:
    """The function that reads a body of this type. Raises HTTPException (415)."""
    media = MediaType(content_type)
    if media.is_json or not media.bare:
        return partial(_json, media=media, task=task)
    family = _of_task(task) if media.bare == OCTETS else media.bare.partition("/")[0]
    if family == "image":
        return _image
    if family == "audio":
        return _audio
    told = f" ({OCTETS} needs HF_TASK, the task of the model)" if media.bare == OCTETS else ""
    raise HTTPException(415, f"the body is {media.bare}; an EndpointHandler takes {_TAKEN}{told}")


def _of_task(task: str) -> str:
    if "audio" in task or "speech" in task:
        return "audio"
    return "image" if "image" in task else ""


def _json(body: bytes, media: MediaType, task: str) -> dict[str, Any]:
    try:
        data = json.loads(media.decoded(body))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise HTTPException(400, f"the body is a JSON {_kind(data)}, and no object: send {_BODY}")
    if data.keys().isdisjoint(("inputs", "instances")):
        keys = ", ".join(repr(shortened(key, 40)) for key in [*data][:8]) or "no keys"
        raise HTTPException(400, f"the body has {keys}, and neither 'inputs' nor 'instances': send {_BODY}")
    if task in _SPEECH and isinstance(data.get("inputs"), str):
        data["inputs"] = _from_base64(data["inputs"], task)
    return data


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _from_base64(text: str, task: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(
            400, f"'inputs' is text, and HF_TASK is {task}: send the audio file in Base64, or as audio/*: {error}"
        ) from None


def _image(body: bytes) -> dict[str, Any]:
    """An image of Pillow's, in RGB."""
    image = pillow("a body that is an image")
    try:
        with opened(image, body) as found:
            return {"inputs": found.convert("RGB")}
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        raise HTTPException(400, f"the body is no image that can be read: {error}") from error


def _audio(body: bytes) -> dict[str, Any]:
    return {"inputs": body}


def pillow(what: str) -> Any:
    """The module `PIL.Image`. Raises PillowMissing."""
    try:
        return importlib.import_module(_IMAGES)
    except ModuleNotFoundError:
        raise PillowMissing(f"{what} needs Pillow, which is not installed: add pillow to requirements.txt") from None


def with_query(data: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """`data` with the query's values as `parameters`, where the body has none."""
    if query and "parameters" not in data:
        data["parameters"] = {name: _value(text) for name, text in query.items()}
    return data


def _value(text: str) -> Any:
    """A boolean or a number, where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text
