"""Parses requests to `/adapters`, as AWS's container does."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

#: The name that the platform shows its users for an adapter.
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"

#: Bytes of the body of a request to load an adapter. It is parsed on the event loop.
LONGEST_BODY = 65536


class AdapterToLoad(BaseModel):
    """The name and the source of an adapter. `preload` and `pin` are hints that an engine may ignore."""

    name: str = Field(min_length=1)
    src: str = Field(min_length=1)
    preload: bool = True
    pin: bool = False


async def to_load(request: Request) -> AdapterToLoad:
    """Parse the body, or the query if there is no body. Raises HTTPException: 400, or 413 for a long body."""
    try:
        return AdapterToLoad.model_validate(await _given(request))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors())
        raise HTTPException(400, f'POST /adapters takes {{"name": …, "src": …}}: {problems}') from None


async def _given(request: Request) -> Any:
    body, query = await request.body(), dict(request.query_params)
    if len(body) > LONGEST_BODY:
        raise HTTPException(
            413, f"the body of POST /adapters has {len(body)} bytes: a name and a source have {LONGEST_BODY} at most"
        )
    if not body.strip():
        return query
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        if query:  # as AWS's container does: without a JSON body the query counts
            return query
        raise HTTPException(400, f"the body is not JSON: {error}") from None


def title(name: str, request: Request) -> str:
    """The adapter's name to show in an answer: its alias if the request has one."""
    return request.headers.get(ALIAS) or name
