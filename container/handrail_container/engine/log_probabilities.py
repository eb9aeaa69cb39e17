"""Counts the log probabilities that a request asks for: an engine makes all of an answer's at once, at its end."""

from __future__ import annotations

from typing import Any

#: Tokens of an answer whose request sets no length.
USUAL_TOKENS = 4_096
#: Alternatives to each token where a request asks for all, -1: a vocabulary.
_ALL = 50_000
_LENGTHS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
#: How a body of the Responses API asks for them.
_INCLUDED = "message.output_text.logprobs"


def of_answer(asked: Any) -> int:
    """The most log probabilities of all answers to one prompt; half of them for a stream.

    A stream sends them as they come, but the engine's client keeps them until its end, and the garbage collector runs
    through them. A stream of the Responses API, whose requests have `include`, has them again in its last event.

    `asked` is the request as the engine's own model has parsed it.
    """
    alternatives = _alternatives(asked)
    if alternatives is None:
        return 0
    count = (getattr(asked, "n", None) or 1) * _tokens(asked) * (alternatives + 1)
    is_sent_whole = not getattr(asked, "stream", False) or hasattr(asked, "include")
    return count if is_sent_whole else count // 2


def of_prompt(params: Any, tokens: int) -> int:
    """Those of a prompt of so many `tokens`, which each of the answers repeats. `params` are the engine's."""
    alternatives = getattr(params, "prompt_logprobs", None)
    return 0 if alternatives is None else (getattr(params, "n", None) or 1) * tokens * (_count(alternatives) + 1)


def _tokens(asked: Any) -> int:
    given = (getattr(asked, name, None) for name in _LENGTHS)
    return int(next((length for length in given if length is not None), USUAL_TOKENS))


def _alternatives(asked: Any) -> int | None:
    """The number of alternatives to each token; None if the request asks for no log probabilities."""
    given = getattr(asked, "logprobs", None)
    is_asked = given is True or _INCLUDED in (getattr(asked, "include", None) or ())
    if named := getattr(asked, "logprob_token_ids", None):
        return len(named)
    if is_asked:
        return _count(getattr(asked, "top_logprobs", None) or 0)
    return None if given is None or given is False else _count(given)


def _count(alternatives: int) -> int:
    return _ALL if alternatives < 0 else alternatives
