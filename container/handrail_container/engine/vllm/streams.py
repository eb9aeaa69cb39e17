"""Replaces vLLM's stream generators by cheaper ones that write the same bytes.

vLLM encodes a pydantic object for each token. Its serving objects still do all else, and write the unusual events.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.datastructures import State

from handrail_container.engine.deltas import streamed

log = logging.getLogger(__name__)

#: The generator method of each serving object in `app.state`.
GENERATORS = {
    "openai_serving_chat": "chat_completion_stream_generator",
    "openai_serving_completion": "completion_stream_generator",
}
#: Fields that a request may set while all events but the first and the last differ only in text. `n`, usage and several
#: prompts show in the first event or its result.
_FIELDS = {
    *("messages", "prompt", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "user"),
    *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens"),
    *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "response_format"),
}


def lighten(state: State) -> None:
    """Make the serving objects in `state` stream with `streamed` if their generators have the expected signature."""
    for name, method in GENERATORS.items():
        serving = getattr(state, name, None)
        if serving is None:
            continue
        own: Any = getattr(serving, method, None)
        place = _place_of_results(own)
        if place is None:
            log.warning("vLLM's %s.%s is not as it was: its streams are all its own", type(serving).__name__, method)
            continue
        setattr(serving, method, _lean(serving, own, place))


def _place_of_results(own: Any) -> int | None:
    """The position of `result_generator` among the generator's arguments; None if its signature is not as expected."""
    if not inspect.isasyncgenfunction(own):
        return None
    names = list(inspect.signature(own).parameters)
    return names.index("result_generator") if names[0] == "request" and "result_generator" in names else None


def _lean(serving: Any, own: Callable[..., Any], place: int) -> Callable[..., Any]:
    def generator(*given: Any, **named: Any) -> Any:
        if len(given) <= place or not is_lean(serving, given[0]):
            return own(*given, **named)

        def events(results: AsyncIterator[Any]) -> Any:
            return own(*given[:place], results, *given[place + 1 :], **named)

        return streamed(events, given[place])

    return generator


def is_lean(serving: Any, request: Any) -> bool:
    """Whether the request's events differ only in text. Not with a parser, which holds text back, or with output logs,
    which have an entry for each event."""
    is_plain = not getattr(serving, "parser_cls", None) and not getattr(serving, "enable_log_outputs", False)
    return is_plain and request.model_fields_set <= _FIELDS and request.n in (None, 1)
