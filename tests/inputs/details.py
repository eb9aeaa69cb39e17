"""Details, and several answers of which the best is told."""

from __future__ import annotations

from tests.inputs.table import ABSENT, ONE, THREE, TWO, Row, text, token

_TOKENS = [token("one", ONE), token(" two", TWO)]
_SEQUENCE = {"finish_reason": "length", "generated_tokens": 2, "seed": None, "prefill": [], "tokens": _TOKENS}

ROWS = (
    Row(
        "`details`",
        text("one two three", details=True, max_new_tokens=2),
        "`finish_reason`, `generated_tokens`, `seed`, `prefill`, `tokens`",
        "the same",
        "the same",
        json={"generated_text": "one two", "details": _SEQUENCE},
        engine={"logprobs": 0, "return_token_ids": True},
    ),
    Row(
        "a text that ends by itself",
        text("one two", details=True),
        "`eos_token`",
        "`eos_token`",
        "`eos_token`",
        json={"generated_text": "one two", "details": {**_SEQUENCE, "finish_reason": "eos_token"}},
    ),
    Row(
        "`seed` in `details`",
        text("one two three", details=True, max_new_tokens=2, seed=3),
        "the seed, or the one that was drawn",
        "the seed, or null",
        "the seed, or null",
        "LMI",
        "vLLM does not tell what it drew.",
        json={"generated_text": "one two", "details": {**_SEQUENCE, "seed": 3}},
    ),
    Row(
        "`decoder_input_details`",
        text("one two three", decoder_input_details=True, max_new_tokens=2),
        "`prefill`, the first token without a log probability; `details` too",
        "`prefill` without the first token, with `details` only",
        "`prefill` without the first token; `details` too",
        "neither",
        "vLLM tells nothing of the first token; to ask for one part is to ask for details.",
        json={
            "generated_text": "one two",
            "details": {
                **_SEQUENCE,
                "prefill": [
                    {"id": TWO, "text": " two", "logprob": 0.0},
                    {"id": THREE, "text": " three", "logprob": 0.0},
                ],
            },
        },
        engine={"prompt_logprobs": 1},
    ),
    Row(
        "`best_of` with `details`",
        text("one two three", best_of=2, details=True, max_new_tokens=2),
        "the best, the others in `best_of_sequences`",
        "the best, the others in `best_of_sequences`",
        "the best, the others in `best_of_sequences`",
        json={
            "generated_text": "one two",
            "details": {**_SEQUENCE, "best_of_sequences": [{"generated_text": "one two", **_SEQUENCE}]},
        },
        engine={"n": 2, "logprobs": 0, "best_of": ABSENT},
    ),
    Row(
        "`n`",
        text("one", n=3),
        "ignored",
        "as `best_of`",
        "as `best_of`",
        "LMI",
        "Nothing that was sent is ignored.",
        json={"generated_text": "one"},
        engine={"n": 3, "logprobs": 0},
    ),
    Row(
        "`best_of` beside another `n`",
        text("one", n=3, best_of=2),
        "`best_of` is obeyed",
        "424",
        "400",
        "neither",
        "Which of them is meant is unclear.",
        status=400,
        says="best_of is 2 and parameters.n is 3",
    ),
    Row(
        "`best_of` beside `seed`",
        text("one", best_of=2, seed=1),
        "422",
        "obeyed",
        "obeyed",
        "LMI",
        "vLLM draws each answer from a seed of its own.",
        engine={"n": 2, "seed": 1},
    ),
    Row(
        "no `details`",
        text("one"),
        "the text alone",
        "the text alone",
        "the text alone",
        json={"generated_text": "one"},
        engine={"logprobs": ABSENT, "return_token_ids": ABSENT},
    ),
)
