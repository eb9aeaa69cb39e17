"""Reads a request's body for a Model's method."""

from __future__ import annotations

from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from handrail.core import json_budget
from handrail.core.ahead import LARGE
from handrail.core.threads import run_in_threadpool
from handrail.styles.truss.methods import Method


async def read(method: Method, request: Request) -> Any:
    """The body for the method; None if the method does not take it.

    Raises HTTPException for a content type other than JSON, the error of `request.json` for invalid JSON, and
    RequestValidationError if the body does not fit the method's pydantic model.
    """
    if not method.takes_input:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/octet-stream" or "msgpack" in media_type:
        raise HTTPException(415, f"the body is {media_type}; send JSON, with 'Content-Type: application/json'")
    value = await request.json()
    if method.model is None:
        return value
    json_budget.begin(request.scope.get("state", {}))
    is_large = len(await request.body()) > LARGE
    try:
        if is_large:
            return await run_in_threadpool(cast("Any", method.model.validator).validate_in_thread, value)
        return method.model.validate_python(value)
    except ValidationError as error:
        raise RequestValidationError(
            [{**details, "loc": ("body", *details["loc"])} for details in error.errors()]
        ) from None
