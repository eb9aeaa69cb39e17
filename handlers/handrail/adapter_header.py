"""The adapter SageMaker routes a request to, put into its body where a handler looks for the model."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"


def inject_adapter_id(
    adapter_path: str, append: bool = False, separator: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for `f(raw_request)`: the adapter's name goes to `adapter_path` (dots go deeper) of the JSON body.

    With `append`, after what is there and `separator`. A request without the header keeps its body as it is.
    """
    if not adapter_path:
        raise ValueError("inject_adapter_id takes the place in the body: inject_adapter_id('model')")
    if append and separator is None:
        raise ValueError("inject_adapter_id with append=True takes the separator, too")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def injected(raw_request: Any) -> Any:
            adapter = raw_request.headers.get(HEADER)
            if adapter:
                body = await raw_request.json()
                _put(body, adapter_path.split("."), adapter, separator if append else None)
                raw_request._body = json.dumps(body).encode()
                raw_request._json = body
            result = function(raw_request)
            return await result if inspect.isawaitable(result) else result

        return injected

    return decorate


def _put(body: Any, path: list[str], adapter: str, separator: str | None) -> None:
    *parents, last = path
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = adapter if separator is None or last not in body else f"{body[last]}{separator}{adapter}"
