"""Work on a body that takes long where the body is large: it is done in a thread then, beside the event loop.

A thread parses and writes JSON in one step each, which nothing else runs beside; in between everybody has a turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from handrail.core.threads import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

#: Bytes. The work on a larger body is done in a thread.
LARGE = 65_536

P = ParamSpec("P")
T = TypeVar("T")


async def beside(size: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns, which works on a body of `size` bytes."""
    return await run_in_threadpool(function, *args, **kwargs) if size > LARGE else function(*args, **kwargs)


async def parsed(request: Request) -> Any:
    """The JSON of a body. Raises HTTPException (400)."""
    body = await request.body()
    return await beside(len(body), _of_json, body)


def _of_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from None
