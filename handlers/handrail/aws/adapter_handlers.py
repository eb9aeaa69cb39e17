"""A script's own handlers of `/adapters`, registered as in AWS's container.

With a shape, a handler takes the values that the shape extracts from the request, and the request; its 200 is answered
in the platform's form. Without a shape it is an ordinary handler.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from handrail.aws.adapter_requests import title, to_load
from handrail.aws.expressions import compiled
from handrail.core.answers import to_response
from handrail.core.calling import Handler, adapt, on_loop
from handrail.core.errors import Ambiguous, HandlerFault, SignatureRefused
from handrail.core.marks import Mark, mark
from handrail.core.slots import AdapterSlot
from handrail.core.tracebacks import definition

Function = Callable[..., Any]

_TAKES_REQUEST = inspect.Signature(
    [inspect.Parameter("raw_request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)]
)
_DONE = {AdapterSlot.LOAD: "registered", AdapterSlot.UNLOAD: "unregistered"}


def register_load_adapter_handler(request_shape: Any = None, response_shape: Any = None) -> Any:
    """Mark the handler of `POST /adapters`. Without shapes, the handler takes the request alone.

    `request_shape` maps names to expressions over `body`, `headers`, `query_params` and `path_params`. Raises
    ValueError for an expression that cannot be parsed.
    """
    return _registering(AdapterSlot.LOAD, request_shape, response_shape)


def register_unload_adapter_handler(request_shape: Any = None, response_shape: Any = None) -> Any:
    """Mark the handler of `DELETE /adapters/{adapter_name}`, as `register_load_adapter_handler` does."""
    return _registering(AdapterSlot.UNLOAD, request_shape, response_shape)


def find(marks: Sequence[Mark]) -> tuple[dict[AdapterSlot, Handler], list[HandlerFault]]:
    """The adapter handlers among a script's marks, and their faults."""
    handlers: dict[AdapterSlot, Handler] = {}
    faults: list[HandlerFault] = []
    for slot in AdapterSlot:
        marked = list({id(mark.function): mark.function for mark in marks if mark.role is slot}.values())
        try:
            handlers |= {slot: adapt(_only(marked, slot), slot)} if marked else {}
        except SignatureRefused as fault:
            faults.append(SignatureRefused(f"@{slot.decorator}: {fault}.", fault.user_traceback))
        except Ambiguous as fault:
            faults.append(fault)
    return handlers, faults


def _only(marked: list[Function], slot: AdapterSlot) -> Function:
    if len(marked) > 1:
        places = " and ".join(f"{getattr(one, '__name__', one)} ({definition(one)})" for one in marked)
        what = f"{slot.method} {slot.path} has {len(marked)} handlers"
        raise Ambiguous(f"{what} that are registered with @{slot.decorator}: {places}. Keep one.")
    return marked[0]


def _registering(slot: AdapterSlot, request_shape: Any, response_shape: Any) -> Any:
    if callable(request_shape):  # written without parentheses
        return mark(slot, request_shape)
    if request_shape is None and response_shape is None:
        return lambda function: mark(slot, function)
    shape = _compiled(request_shape or {})
    return lambda function: mark(slot, _shaped(function, slot, shape))


def _compiled(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _compiled(one) if isinstance(one, Mapping) else compiled(one) for key, one in shape.items()}


def _shaped(function: Function, slot: AdapterSlot, shape: Mapping[str, Any]) -> Function:
    call = on_loop(function)

    @functools.wraps(function)
    async def shaped(raw_request: Request) -> Response:
        loading = await to_load(raw_request) if slot is AdapterSlot.LOAD else None
        name = loading.name if loading else raw_request.path_params["adapter_name"]
        given = _filled(shape, _data(raw_request, loading.model_dump() if loading else None))
        answer = await call(SimpleNamespace(**given), raw_request) if given else await call(raw_request)
        response = await to_response(answer, slot)
        if response.status_code != 200:
            return response
        return PlainTextResponse(f"Adapter {title(name, raw_request)} {_DONE[slot]}")

    shaped.__signature__ = _TAKES_REQUEST  # type: ignore[attr-defined]  # replaces the wrapped function's signature
    return shaped


def _data(request: Request, body: Any) -> dict[str, Any]:
    return {
        "body": body,
        "headers": request.headers,
        "query_params": request.query_params,
        "path_params": request.path_params,
    }


def _filled(shape: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _filled(one, data) if isinstance(one, Mapping) else one(data) for key, one in shape.items()}
