"""Copies the adapter's name from SageMaker's header into the request's body, where a handler reads the model."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from handrail.core.calling import on_loop

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"


def inject_adapter_id(
    adapter_path: str, append: bool = False, separator: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for a function that takes the request: writes the adapter's name to `adapter_path` of the JSON body.

    Dots name nested objects. With `append` the name follows the old value and `separator`. A request without the header
    keeps its body. Raises ValueError for an empty path, or `append` without a separator.
    """
    if not adapter_path:
        raise ValueError("inject_adapter_id takes the place in the body: inject_adapter_id('model')")
    if append and separator is None:
        raise ValueError("inject_adapter_id with append=True takes the separator, too")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        call = on_loop(function)

        @functools.wraps(function)
        async def injected(*args: Any, **kwargs: Any) -> Any:
            request: Any = next(value for value in (*args, *kwargs.values()) if isinstance(value, Request))
            adapter = request.headers.get(HEADER)
            if adapter:
                await put(request, adapter_path, adapter, separator if append else None)
            return await call(*args, **kwargs)

        return injected

    return decorate


async def put(request: Any, path: str, value: str, separator: str | None = None) -> None:
    """Write `value` at `path` of the request's JSON body, for later readers. Raises HTTPException."""
    body = await request.json()
    _put(body, path, value, separator)
    request._body = json.dumps(body).encode()
    request._json = body


def _put(body: Any, path: str, value: str, separator: str | None) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        body = body.setdefault(parent, {}) if isinstance(body, dict) else None
    if not isinstance(body, dict):
        raise HTTPException(400, f"the body has no place for {value!r}: {path!r} goes through what is no object")
    body[last] = value if separator is None or last not in body else f"{body[last]}{separator}{value}"
