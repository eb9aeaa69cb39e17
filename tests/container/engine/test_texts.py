"""How much text is tokenized at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import HTTPException
from handrail_container.engine.texts import bound_texts, most_characters, require_short


class Renderer:
    """As much of vLLM's as is used; `at_once` are the texts that waited for it together, at most."""

    def __init__(self) -> None:
        self.at_once = self._waiting = 0

    async def tokenize_prompt_async(self, prompt: Any, params: Any) -> Any:
        self._waiting += 1
        self.at_once = max(self.at_once, self._waiting)
        await asyncio.sleep(0)
        self._waiting -= 1
        return params, prompt

    async def tokenize_prompts_async(self, prompts: Any, params: Any) -> Any:
        raise AssertionError("it is replaced")


@pytest.mark.parametrize(
    ("given", "context", "most"),
    [(None, 512, 1_000_000), (None, 131_072, 2_097_152), (7, 131_072, 7), (5_000_000, 512, 5_000_000)],
)
def test_what_is_not_set_is_what_the_model_can_use(given: int | None, context: int, most: int) -> None:
    assert most_characters(given, context) == most


@pytest.mark.parametrize("text", ["x" * 10, "", None, [1] * 100, b"x" * 100])
def test_what_is_short_or_no_text_is_let_through(text: object) -> None:
    require_short(text, 10)


def test_a_long_text_is_the_clients_fault_whoever_asks() -> None:
    """Some of vLLM's routes take every exception but a ValueError for a bug of its own."""
    with pytest.raises(ValueError, match=r"^the text has 1,001 .*MAX_TEXT_CHARS allows 1,000 ") as refused:
        require_short("x" * 1001, 1000)
    assert isinstance(refused.value, HTTPException)
    assert refused.value.status_code == 400


LONG = {"prompt": "x" * 11}


@pytest.mark.parametrize(
    "prompt", [LONG, {"encoder_prompt": LONG, "decoder_prompt": None}, {"encoder_prompt": {}, "decoder_prompt": LONG}]
)
async def test_no_long_text_comes_to_the_tokenizer(prompt: Any) -> None:
    renderer = Renderer()
    bound_texts(renderer, 10)
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_TEXT_CHARS"):
        await renderer.tokenize_prompt_async(prompt, "params")
    with pytest.raises(HTTPException, match="HANDRAIL_MAX_TEXT_CHARS"):
        await renderer.tokenize_prompts_async([{"prompt": "x"}, prompt], "params")
    assert renderer.at_once <= 1


@pytest.mark.parametrize(
    ("prompts", "at_once"),
    [
        ([{"prompt": "x" * 10}], 1),
        ([{"prompt": "x" * 5}, {"prompt": "y" * 5}], 2),
        ([{"prompt": "x" * 5}, {"prompt": "y" * 6}, {"prompt": "z"}], 1),
        ([{"prompt_token_ids": [1] * 20}, {"prompt": "y" * 6}, {"prompt_embeds": None}], 3),
        ([], 0),
    ],
)
async def test_much_text_of_one_request_leaves_room_for_that_of_others(prompts: list[Any], at_once: int) -> None:
    renderer = Renderer()
    bound_texts(renderer, 10)
    assert await renderer.tokenize_prompts_async(prompts, "params") == [("params", one) for one in prompts]
    assert renderer.at_once == at_once
