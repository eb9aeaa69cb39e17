"""What the echo engine says of tokens, for bodies that ask: their ids, and log probabilities, which are all 0."""

from __future__ import annotations

from typing import Any, Protocol

from handrail_container.engine.echo.client import RequestOutput, token_id, tokens

_LOGPROB = 0.0


class TokenFields(Protocol):
    """The fields of a body that ask for it."""

    logprobs: bool | int | None
    prompt_logprobs: int | None
    return_token_ids: bool | None


def of_answer(asked: TokenFields, output: RequestOutput, *, is_chat: bool) -> dict[str, Any]:
    """Fields of a choice: of all its tokens."""
    return _of(asked, tokens(output.outputs[0].text), is_chat=is_chat)


def of_piece(asked: TokenFields, output: RequestOutput, *, is_chat: bool) -> dict[str, Any]:
    """Fields of a choice in a stream: of its newest token."""
    return _of(asked, tokens(output.outputs[0].text)[-1:], is_chat=is_chat)


def of_prompt(asked: TokenFields, output: RequestOutput) -> dict[str, Any]:
    """The prompt's tokens. As in vLLM, the first has no log probability."""
    words, found = tokens(output.prompt), dict[str, Any]()
    if asked.return_token_ids:
        found["prompt_token_ids"] = [token_id(word) for word in words]
    if asked.prompt_logprobs is not None:
        told = [{"logprob": _LOGPROB, "rank": 1, "decoded_token": word} for word in words[1:]]
        found["prompt_logprobs"] = [
            None,
            *({str(token_id(word)): one} for word, one in zip(words[1:], told, strict=True)),
        ]
    return found


def _of(asked: TokenFields, words: list[str], *, is_chat: bool) -> dict[str, Any]:
    found = dict[str, Any]()
    if asked.return_token_ids:
        found["token_ids"] = [token_id(word) for word in words]
    if is_chat and asked.logprobs:
        found["logprobs"] = {"content": [{"token": word, "logprob": _LOGPROB, "top_logprobs": []} for word in words]}
    elif not is_chat and asked.logprobs is not None:
        found["logprobs"] = {"tokens": words, "token_logprobs": [_LOGPROB] * len(words)}
    return found
