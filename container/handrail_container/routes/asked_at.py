"""What the default handler reads of a request beside its body, and the request that it passes on."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope

#: Content types of SageMaker's batch transform, with many records in a body.
_OF_BATCHES = frozenset({"text/csv", "application/jsonlines", "application/x-jsonlines", "application/jsonl"})


def require_json(content_type: str | None) -> None:
    """Refuse other content types. A body without one is taken for JSON, since SageMaker clients may omit it. The types
    of a batch transform get 415, other types 400."""
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise HTTPException(
            415 if media_type in _OF_BATCHES else 400,
            f"the content type is {media_type!r}, and the engine takes JSON, one object a request: send "
            "'Content-Type: application/json'. A handler of model.py may take any other",
        )


def accepted(request: Request) -> list[str]:
    """The media types that the client accepts, in its order."""
    named = request.headers.get("accept") or request.headers.get("x-amzn-sagemaker-accept") or ""
    return [kind.partition(";")[0].strip().lower() for kind in named.split(",")]


def at(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}


def as_json(scope: Scope, path: str, length: int) -> Scope:
    """The request at `path` with a JSON body of `length` bytes."""
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-type", b"content-length")]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    return {**at(scope, path), "headers": headers}
