"""Checks the arguments of a handler's call to the engine, before anything else."""

from __future__ import annotations

from typing import Any


def require_well_called(operation: str, request: Any, model_input: Any) -> None:
    """Raises TypeError, with the correct call, if an argument has the wrong type."""
    call = f"engine.{operation}(model_input=body, request=request)"
    if request is not None and not hasattr(request, "scope"):
        raise TypeError(f"the request given to engine.{operation} is {_kind(request)}: write `await {call}`")
    if model_input is None or hasattr(model_input, "keys"):
        return
    if isinstance(model_input, str | bytes):
        example = '{"messages": [{"role": "user", "content": text}]}'
        raise TypeError(f"the model_input given to engine.{operation} is text: give it a request's body, {example}")
    raise TypeError(
        f"the model_input given to engine.{operation} is {_kind(model_input)}, and it takes a request's body: a dict, "
        f"as of `await {call}`. A pydantic model is one after .model_dump()"
    )


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
