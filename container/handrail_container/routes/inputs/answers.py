"""The engine's whole answer in the shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from handrail_container.routes.inputs.reading import InputsRequest

#: In the words of TGI. A reason that it has none for stays as it is.
_REASONS = {"length": "length", "stop": "eos_token"}


def answer(asked: InputsRequest, told: Mapping[str, Any]) -> Any:
    """`told` is the engine's answer. Raises KeyError, TypeError, IndexError or AttributeError where it is not one of
    the OpenAI API."""
    if asked.kind == "vectors":
        answers: list[Any] = [one["embedding"] for one in sorted(told["data"], key=lambda one: one["index"])]
    else:
        choices = told["choices"]
        groups = [choices[first : first + asked.each] for first in range(0, len(choices), asked.each)]
        answers = [_generated(asked, told, group, index) for index, group in enumerate(groups)]
    return answers if asked.is_list else answers[0]


def finish_reason(choice: Mapping[str, Any], asked: InputsRequest) -> str:
    """Why the text ends: `length`, `eos_token`, `stop_sequence`. The stop reason is a text that was asked for, or the
    id of a token: one that was asked for, or one of the model's own."""
    reason, stopped_by = str(choice["finish_reason"]), choice.get("stop_reason")
    is_asked_for = isinstance(stopped_by, str) or stopped_by in (asked.body.get("stop_token_ids") or ())
    return "stop_sequence" if reason == "stop" and is_asked_for else _REASONS.get(reason, reason)


def tokens_of(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tokens of a choice, whole or of a stream. What the engine does not tell of one is null."""
    ids, found = choice.get("token_ids") or (), choice.get("logprobs") or {}
    if (content := found.get("content")) is not None:
        pairs = [(one["token"], one["logprob"]) for one in content]
    else:
        pairs = list(zip(found.get("tokens") or (), found.get("token_logprobs") or (), strict=True))
    empty = ("", None)
    return [
        {"id": token_id, "text": text, "logprob": logprob, "special": False}
        for token_id, (text, logprob) in (
            (token_id, pair or empty) for token_id, pair in zip_longest(ids, pairs, fillvalue=None)
        )
    ]


def mark_end(tokens: list[dict[str, Any]], reason: str, text: str) -> None:
    """The token that ends a text without being part of it is special; of others the engine does not tell."""
    if tokens and reason == "eos_token":
        last = tokens[-1]
        last["special"] = not (last["text"] and text.endswith(last["text"]))


def _generated(asked: InputsRequest, told: Mapping[str, Any], group: list[Any], index: int) -> dict[str, Any]:
    prompt = asked.prompts[index] if asked.prompts else ""
    made = [_sequence(asked, told, choice, prompt) for choice in group]
    best, *others = sorted(made, key=_rank, reverse=True)
    found = {"generated_text": best.pop("generated_text")}
    if asked.has_details:
        if asked.each > 1:
            best["best_of_sequences"] = others
        found["details"] = best
    return found


def _sequence(asked: InputsRequest, told: Mapping[str, Any], choice: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    text = (choice["message"]["content"] if "message" in choice else choice["text"]) or ""
    tokens, reason = tokens_of(choice), finish_reason(choice, asked)
    mark_end(tokens, reason, text)
    return {
        "generated_text": prompt + text,
        "finish_reason": reason,
        "generated_tokens": len(tokens),
        "seed": asked.body.get("seed"),
        "prefill": _prefill(choice if "prompt_logprobs" in choice else told),
        "tokens": tokens,
    }


def _rank(sequence: Mapping[str, Any]) -> float:
    """The mean log probability of its tokens, by which TGI ranks them too."""
    told = [token["logprob"] for token in sequence["tokens"] if token["logprob"] is not None]
    return sum(told) / len(told) if told else -math.inf


def _prefill(holder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prompt's tokens that have a log probability: all but the first."""
    ids, told = holder.get("prompt_token_ids") or (), holder.get("prompt_logprobs") or ()
    pairs = [(token_id, one[str(token_id)]) for token_id, one in zip(ids, told, strict=False) if one]
    return [{"id": token_id, "text": one["decoded_token"], "logprob": one["logprob"]} for token_id, one in pairs]
