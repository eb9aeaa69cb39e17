"""Validates the large bodies of typed handlers in a thread, where FastAPI would do it on the event loop.

FastAPI parses a body, then validates it in the same step of the loop. Here the body is validated as soon as it is
parsed, and FastAPI's own validation finds the result.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from typing import Any, NamedTuple

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from handrail.core.threads import run_in_threadpool

#: Bytes. A larger body is validated in a thread.
LARGE = 16_384
#: As FastAPI calls a validator; other arguments have no effect.
_GIVEN = {"from_attributes": True}


class Done(NamedTuple):
    """A validation that is over, and what it returned or raised."""

    validator: Any
    value: Any
    result: Any
    error: Exception | None

    def outcome(self) -> Any:
        """The result. Raises the error, whose traceback gets no frame that refers to it."""
        try:
            if self.error is not None:
                raise self.error
            return self.result
        finally:
            del self


_done: ContextVar[tuple[Done, ...]] = ContextVar("_done", default=())


def found(validator: Any, value: Any, given: dict[str, Any]) -> Done | None:
    """The validation of `value` by `validator`, if it is done; it is handed out once."""
    for one in (done := _done.get()):
        if one.validator is validator and one.value is value and _effective(given) == _GIVEN:
            _done.set(tuple(other for other in done if other is not one))
            return one
    return None


def _effective(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value}


class LargeBodyRoute(APIRoute):
    """A route that validates a large JSON body in a thread."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_ahead(request: Request) -> Response:
            return await handle(_Ahead(request, self))

        return handle_ahead


class _Ahead(Request):
    """A request whose `json` validates a large body for its route."""

    def __init__(self, request: Request, route: APIRoute) -> None:
        super().__init__(request.scope, request.receive, request._send)
        self._route = route

    async def json(self) -> Any:
        value = await super().json()
        if len(await self.body()) > LARGE:
            _done.set(await run_in_threadpool(_validated, [*_fields(self._route, value)]))
        return value


def _fields(route: APIRoute, body: Any) -> Iterable[tuple[Any, Any]]:
    """The validators of the body's fields, and what each validates: the whole body, or a key of it."""
    fields = [*_of(route.dependant)]
    is_whole = any(field is route.body_field for field in fields)
    for field in fields:
        validator = getattr(getattr(field, "_type_adapter", None), "validator", None)
        key = getattr(field, "validation_alias", None) or field.alias
        value = body if is_whole else body.get(key) if isinstance(body, dict) else None
        if value is not None and hasattr(validator, "validate_in_thread"):
            yield validator, value


def _of(dependant: Any) -> Iterable[Any]:
    yield from dependant.body_params
    for below in dependant.dependencies:
        yield from _of(below)


def _validated(fields: Iterable[tuple[Any, Any]]) -> tuple[Done, ...]:
    return tuple(_one(validator, value) for validator, value in fields)


def _one(validator: Any, value: Any) -> Done:
    try:
        return Done(validator, value, validator.validate_in_thread(value, **_GIVEN), None)
    except Exception as error:  # noqa: BLE001  raised again where FastAPI validates: a user's validator may raise any
        return Done(validator, value, None, error)
