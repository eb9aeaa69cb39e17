"""What one request may ask of an engine by the fields of its body, once that is read: answers, and items of a list.

An engine takes each prompt, and each answer to it, for a request of its own, and looks at lists of tokens on the event
loop.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from handrail_container.engine.grammars import TooMuchAsked

#: The most items of a list that tells how to generate. The largest that a client has use for has hundreds.
MOST_ITEMS = 10_000
_LISTS = ("logit_bias", "stop_token_ids", "stop", "bad_words", "vllm_xargs")


def require_modest(asked: Any, most_answers: int) -> None:
    """Raises TooMuchAsked where a request, as the engine's own model of it, asks for more than `most_answers` answers
    to all of its prompts together, or has a list of more than MOST_ITEMS items."""
    prompts, each = _prompts(getattr(asked, "prompt", None)), getattr(asked, "n", None) or 1
    if each > 1 and prompts * each > most_answers:
        raise TooMuchAsked(
            f"n is {each:,} for {prompts:,} prompts, {prompts * each:,} answers together, and HANDRAIL_MAX_N allows "
            f"{most_answers:,}"
        )
    for field in _LISTS:
        items = getattr(asked, field, None)
        if isinstance(items, Sized) and not isinstance(items, str) and len(items) > MOST_ITEMS:
            raise TooMuchAsked(f"{field!r} has {len(items):,} items, and {MOST_ITEMS:,} are allowed")


def _prompts(prompt: Any) -> int:
    """How many there are: a list of token ids is one prompt."""
    is_several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
    return len(prompt) if is_several else 1
