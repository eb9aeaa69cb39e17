"""A `run_inference` definition in `handrail check`, with its secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from handrail.core.redaction import MASK

if TYPE_CHECKING:
    from handrail.styles.definition.model import DefinedModel

_ONE = "one process runs one request after another, so all of them share its globals"
_MANY = (
    "each process has globals of its own, and a request goes to whichever is free: for state that all of them share, "
    "set max_concurrent_requests: 1"
)


def rows(model: DefinedModel) -> Iterator[str]:
    """One line for each field."""
    definition, snippet = model.definition, model.snippet
    limit = f"{definition.rate_limit} requests in any 60 s" if definition.rate_limit else "none"
    yield f"key: {definition.key} ({definition.display_name})"
    yield f"task: {definition.task.value}"
    yield f"adapter: {model.adapter.key}"
    yield f"run_inference: {model.signature.text}  {model.signature.where}"
    yield f"workers: {snippet.workers} ({_source(model, 'workers')}): {meaning(snippet.workers)}"
    yield f"timeout: {snippet.timeout_s:g} s ({_source(model, 'timeout')})"
    yield f"rate_limit: {limit}"
    yield from (f"environment: {name}={value}" for name, value in _environment(model).items())


def data(model: DefinedModel) -> dict[str, Any]:
    """The fields as JSON."""
    definition, snippet = model.definition, model.snippet
    return {
        "key": definition.key,
        "display_name": definition.display_name,
        "task": definition.task.value,
        "adapter": model.adapter.key,
        "workers": snippet.workers,
        "globals": meaning(snippet.workers),
        "timeout_s": snippet.timeout_s,
        "rate_limit": definition.rate_limit,
        "environment": _environment(model),
    }


def meaning(workers: int) -> str:
    """The effect of the number of workers on the snippet's globals."""
    return _ONE if workers == 1 else _MANY


def _source(model: DefinedModel, what: str) -> str:
    definition = model.definition
    if what == "workers":
        return "max_concurrent_requests" if definition.max_concurrent_requests else "HANDRAIL_SNIPPET_WORKERS"
    return "the definition" if definition.config.timeout else "HANDRAIL_SNIPPET_TIMEOUT_S"


def _environment(model: DefinedModel) -> dict[str, Any]:
    given = model.definition.config.environment
    return {name: MASK if isinstance(value, SecretStr) else value for name, value in given.items()}
