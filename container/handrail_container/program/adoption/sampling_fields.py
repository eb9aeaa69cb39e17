"""Fields of `SamplingParams` and `GuidedDecodingParams` that vLLM has no more, as those that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handrail_container.program.adoption.old_names import GUIDED, SAMPLING, Unavailable

#: Where `extra_args` of a `SamplingParams` keeps its `truncate_prompt_tokens`. vLLM passes `extra_args` on unread, and
#: copies of the object have it too.
TRUNCATION = "handrail_truncate_prompt_tokens"

Where = Callable[[], str]


def current(given: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """The fields of `SamplingParams` that mean the same; others are as they are, known or not. Raises TypeError with a
    sentence for what vLLM cannot do any more; `where` says the file:line of the call."""
    fields = {name: value for name, value in given.items() if name not in SAMPLING}
    for name in SAMPLING:
        if not _is_unset(name, given):
            fields |= _mapped(name, given[name], fields, where)
    return fields


def guided(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `GuidedDecodingParams`, as fields of `StructuredOutputsParams`; a pydantic model is its schema."""
    fields = {name: value for name, value in given.items() if name not in GUIDED}
    schema = getattr(fields.get("json"), "model_json_schema", None)
    return {**fields, "json": schema()} if callable(schema) else fields


def tokenization(extra_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """The `tokenization_kwargs` of `generate` that a `SamplingParams` with these `extra_args` asks for: the last tokens
    of the prompt are kept."""
    kept = (extra_args or {}).get(TRUNCATION)
    return {} if kept is None else {"truncate_prompt_tokens": kept, "truncation_side": "left"}


def _is_unset(name: str, given: Mapping[str, Any]) -> bool:
    """Whether the field is not given, or as vLLM is without it."""
    value = given.get(name)
    if name == "best_of":
        return value is None or value == (given.get("n") or 1)
    return value is None or value == SAMPLING[name].default or value == []


def _mapped(name: str, value: Any, fields: Mapping[str, Any], where: Where) -> dict[str, Any]:
    fate = SAMPLING[name].fate
    if isinstance(fate, Unavailable):
        said = f"{name} in SamplingParams" if name == "logits_processors" else f"{name}={value!r}"
        raise TypeError(f"{where()} {said}: {fate.instead.format(value=value)}")
    if name == "truncate_prompt_tokens":
        return {"extra_args": {**(fields.get("extra_args") or {}), TRUNCATION: value}}
    return {str(getattr(fate, "to", name)): value}
