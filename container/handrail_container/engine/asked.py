"""What one request may ask of an engine by the fields of its body, once that is read.

An engine takes each prompt, and each answer to it, for a request of its own, and does on the event loop what the fields
ask for: so what they ask is counted for all prompts together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from pydantic import BaseModel

from handrail_container.engine.grammars import RequestBounds, TooMuchAsked

#: The most items of a list that tells how to generate. The largest that a client has use for has hundreds.
MOST_ITEMS = 10_000
#: The most words that are not to come, for all prompts together, and their characters: each prompt tokenizes them anew.
MOST_WORDS = 2_000
MOST_CHARACTERS = 100_000
#: The most characters of prompts, times the alternatives to each of their tokens that each answer has.
MOST_ALTERNATIVES = 250_000
_CHARACTERS_PER_TOKEN = 4
_LISTS = ("logit_bias", "stop_token_ids", "stop", "bad_words", "vllm_xargs")
_GRAMMARS = ("structured_outputs", "response_format")
#: What the tokenizer's own method takes beside a template's variables: a padding fills the memory.
_NOT_A_TEMPLATES = frozenset(
    ("tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "tokenizer_kwargs")
)


def require_modest(asked: Any, bounds: RequestBounds) -> None:
    """Raises TooMuchAsked where a request, as the engine's own model of it, asks for too much."""
    prompts = _prompts(getattr(asked, "prompt", None))
    for complaint in _complaints(asked, prompts, bounds):
        raise TooMuchAsked(complaint)


def _complaints(asked: Any, prompts: list[Any], bounds: RequestBounds) -> Iterator[str]:
    count, each = len(prompts), getattr(asked, "n", None) or 1
    together = f"for {count:,} prompts together"
    if each > 1 and count * each > bounds.answers:
        yield f"n is {each:,}, {count * each:,} answers {together}, and HANDRAIL_MAX_N allows {bounds.answers:,}"
    for field in _LISTS:
        items = getattr(asked, field, None)
        if isinstance(items, Sized) and not isinstance(items, str) and len(items) > MOST_ITEMS:
            yield f"{field!r} has {len(items):,} items, and {MOST_ITEMS:,} are allowed"
    words = getattr(asked, "bad_words", None) or ()
    if len(words) * count > MOST_WORDS or sum(map(len, words)) > MOST_CHARACTERS:
        allowed = f"{MOST_WORDS:,} are allowed, of {MOST_CHARACTERS:,} characters"
        yield f"'bad_words' are {len(words) * count:,} {together}: {allowed}"
    alternatives = getattr(asked, "prompt_logprobs", None) or (
        getattr(asked, "logprobs", None) if getattr(asked, "echo", False) else 0
    )
    if alternatives:
        size = (_size(prompts) + len(str(getattr(asked, "messages", "")))) * (abs(int(alternatives)) + 1) * each
        if size > MOST_ALTERNATIVES:
            yield f"log probabilities of prompts are {size:,} {together}, and {MOST_ALTERNATIVES:,} are allowed"
    grammar = sum(_size_of_grammar(getattr(asked, field, None)) for field in _GRAMMARS) if count > 1 else 0
    if grammar * count > bounds.grammar:
        allowed = f"HANDRAIL_MAX_GRAMMAR_SIZE allows {bounds.grammar:,}"
        yield f"structured outputs have a size of {grammar * count:,} {together}, and {allowed}"
    if named := _NOT_A_TEMPLATES.intersection(getattr(asked, "chat_template_kwargs", None) or ()):
        yield f"'chat_template_kwargs' has {', '.join(sorted(named))}, which no template knows: leave it out"


def _prompts(prompt: Any) -> list[Any]:
    """A list of token ids is one prompt."""
    is_several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
    return prompt if is_several else [prompt]


def _size(prompts: Iterable[Any]) -> int:
    """In characters, or as many as the tokens have."""
    return sum(len(one) * (1 if isinstance(one, str) else _CHARACTERS_PER_TOKEN) for one in prompts if one is not None)


def _size_of_grammar(given: Any) -> int:
    if given is None:
        return 0
    return len(given.model_dump_json(exclude_none=True)) if isinstance(given, BaseModel) else len(str(given))
