"""A stand-in for the package `sagemaker_inference`, for scripts that import its helpers where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from starlette.exceptions import HTTPException

from handrail.core.whole_model import Problem
from handrail.styles.inference_toolkit import decoding, encoding, media

PACKAGE = "sagemaker_inference"


class UnsupportedFormatError(Exception):
    def __init__(self, content_type: Any, **_: Any) -> None:
        super().__init__(f"Content type {content_type} is not supported: write input_fn or output_fn for it")


class BaseInferenceToolkitError(Exception):
    """An error with a status of its own; `phrase` is the reason of HTTP/1.1, which is not sent."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        self.status_code, self.message, self.phrase = status_code, message, phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        said = message or "Invalid Request"
        super().__init__(status_code, said, phrase or said)


def problem_of(error: BaseException) -> Problem | None:
    """The answer to an error of the toolkit's classes, those of the real package or these; None for any other."""
    known = (PACKAGE, f"{PACKAGE}.errors", __name__)
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__ in known}
    if "UnsupportedFormatError" in names:
        return Problem(415, " ".join(str(error).split()))
    status = getattr(error, "status_code", None)
    if "BaseInferenceToolkitError" not in names or not isinstance(status, int) or not 400 <= status <= 599:
        return None
    return Problem(status, str(getattr(error, "message", error)))


def install() -> None:
    """Put the stand-in into `sys.modules`, unless the package is installed."""
    if PACKAGE in sys.modules or importlib.util.find_spec(PACKAGE) is not None:
        return
    package = ModuleType(PACKAGE)
    package.__path__ = []
    for name, members in _MODULES.items():
        module = ModuleType(f"{PACKAGE}.{name}")
        vars(module).update(members)
        setattr(package, name, module)
        sys.modules[module.__name__] = module
    sys.modules[PACKAGE] = package


def _decode(obj: Any, content_type: str) -> Any:
    try:
        return decoding.decode(obj, content_type)
    except HTTPException as error:
        if error.status_code == 415:
            raise UnsupportedFormatError(content_type) from None
        raise


def _encode(array_like: Any, content_type: str) -> Any:
    encoder = encoding.ENCODERS.get(content_type)
    if encoder is None:
        raise UnsupportedFormatError(content_type)
    return encoder(array_like)


def _parse_accept(accept: str) -> list[str]:
    return accept.replace(" ", "").split(",")


_MODULES: dict[str, dict[str, Any]] = {
    "content_types": {
        "JSON": media.JSON,
        "CSV": media.CSV,
        "OCTET_STREAM": media.OCTETS,
        "ANY": media.ANY,
        "NPY": media.NPY,
        "NPZ": media.NPZ,
        "UTF8_TYPES": [*media.AS_TEXT],
    },
    "decoder": {"decode": _decode},
    "encoder": {"encode": _encode, "SUPPORTED_CONTENT_TYPES": {*encoding.ENCODERS}},
    "errors": {
        error.__name__: error
        for error in (UnsupportedFormatError, BaseInferenceToolkitError, GenericInferenceToolkitError)
    },
    "utils": {"parse_accept": _parse_accept},
}
