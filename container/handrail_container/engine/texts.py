"""How much text an engine's tokenizer takes at once: all requests share the thread that it runs in, and a text takes a
hundred times its size in memory there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from handrail_container.engine.grammars import TooMuchAsked

#: Text has four to five characters a token, and source code with deep indents eight.
_CHARACTERS_PER_TOKEN = 16
_AT_LEAST = 1_000_000
_PARTS = ("encoder_prompt", "decoder_prompt")


def most_characters(given: int | None, context: int) -> int:
    """Of one text: what HANDRAIL_MAX_TEXT_CHARS gives, or what a model with a `context` of so many tokens can use."""
    return given if given is not None else max(_AT_LEAST, _CHARACTERS_PER_TOKEN * context)


def require_short(text: object, most: int) -> None:
    """Raises TooMuchAsked where it is a text of more than `most` characters."""
    if isinstance(text, str) and len(text) > most:
        raise TooMuchAsked(
            f"the text has {len(text):,} characters, and HANDRAIL_MAX_TEXT_CHARS allows {most:,} to be tokenized"
        )


def bound_texts(renderer: Any, most: int) -> None:
    """From now on vLLM's `renderer` refuses a text of more than `most` characters before it tokenizes it. The texts of
    one request that are more together are tokenized one after the other, so that another request's come between."""
    tokenize: Callable[[Any, Any], Awaitable[Any]] = renderer.tokenize_prompt_async

    async def bounded(prompt: Any, params: Any) -> Any:
        for text in _texts(prompt):
            require_short(text, most)
        return await tokenize(prompt, params)

    async def bounded_all(prompts: Sequence[Any], params: Any) -> list[Any]:
        if len(prompts) > 1 and sum(len(text) for one in prompts for text in _texts(one)) > most:
            return [await bounded(prompt, params) for prompt in prompts]
        return await asyncio.gather(*(bounded(prompt, params) for prompt in prompts))

    renderer.tokenize_prompt_async, renderer.tokenize_prompts_async = bounded, bounded_all


def _texts(prompt: Any) -> list[str]:
    """Those of a prompt as vLLM has parsed it: a dict, of two more where the model has an encoder."""
    parts = [prompt, *(prompt.get(part) or {} for part in _PARTS)]
    return [text for part in parts if isinstance(text := part.get("prompt"), str)]
