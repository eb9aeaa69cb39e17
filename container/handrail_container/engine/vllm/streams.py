"""Streams of vLLM's that are cheaper than its own, where they are the same to the byte.

Its serving objects still do all but write most of the events: they encode a pydantic object for each token.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.datastructures import State

from handrail_container.engine.deltas import streamed

log = logging.getLogger(__name__)

#: Which method of which object in `app.state` makes events of results.
GENERATORS = {
    "openai_serving_chat": "chat_completion_stream_generator",
    "openai_serving_completion": "completion_stream_generator",
}
#: What a request may set without another event than the first and the last having more than its text. `n`, usage and
#: several prompts show in the first event or its result.
_FIELDS = {
    *("messages", "prompt", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "user"),
    *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens"),
    *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "response_format"),
}


def lighten(state: State) -> None:
    """Have the serving objects in `state` write their streams by `streamed`, where they are as we know them."""
    for name, method in GENERATORS.items():
        serving = getattr(state, name, None)
        if serving is None:
            continue
        own: Any = getattr(serving, method, None)
        place = _place_of_results(own)
        if place is None:
            log.debug("vLLM's %s.%s is not as it was: its streams are all its own", type(serving).__name__, method)
            continue
        setattr(serving, method, _lean(serving, own, place))


def _place_of_results(own: Any) -> int | None:
    """Among the arguments of a generator as we know it, after the request."""
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
    """Whether its events differ by their text alone. A parser holds text back; the log has an entry for each event."""
    is_plain = not getattr(serving, "parser_cls", None) and not getattr(serving, "enable_log_outputs", False)
    return is_plain and request.model_fields_set <= _FIELDS and request.n in (None, 1)
