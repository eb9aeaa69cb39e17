"""Limits what the fields of one request's body may cost an engine.

An engine makes a request of its own for each prompt of a body and for each answer to a prompt (`n`). It repeats the
work for all other fields in each of them. So the cost of a body is a product: the number of such requests, times the
size of the fields that each of them repeats. This needs no list of field names: a list that may hold prompts is counted
as prompts, and every other field counts as repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from handrail_container.engine.grammars import RequestBounds, TooMuchAsked
from handrail_container.engine.log_probabilities import USUAL_TOKENS, of_answer
from handrail_container.http.json_bounds import JsonBounds, TooMuchJson, UnusualNumbers, require_bounded_together

#: The most items of one list or object among the repeated fields. The largest useful ones have hundreds.
MOST_ITEMS = 10_000
#: Fields that may have an item for each token of a vocabulary, or for each block of a long prompt. Grammars have a
#: bound of their own.
_LONG = frozenset(("allowed_token_ids", "kv_transfer_params", "ec_transfer_params"))
_MOST_OF_LONG = 200_000
#: The most `bad_words` for all prompts together, and the most characters in them: they are tokenized for each prompt.
MOST_WORDS = 2_000
MOST_CHARACTERS = 100_000
#: The most log probabilities of prompts: characters of the prompts, times alternatives to each token, times answers.
MOST_ALTERNATIVES = 250_000
#: The cost of a request that repeats nothing, and of a value besides its characters; both in characters.
_REQUEST = 1_000
_VALUE = 8
#: A request with beam search counts as so many: it makes new requests for each token.
_BEAM = 8
#: A field that an engine compiles costs so many times as much as one that it copies.
_COMPILED = 8
#: Text that all prompts share, such as the query of several documents, costs so many times less: it is tokenized in a
#: thread, and does not block the event loop.
_SHARED = 8
_GRAMMARS = frozenset(("structured_outputs", "response_format", "text"))
#: Fields that become the prompt. If the body has one prompt, an engine renders it once for all answers.
_TEXTS = frozenset(
    (
        *("prompt", "messages", "input", "inputs", "previous_input_messages", "system", "instructions", "tools"),
        *("functions", "documents", "tokens", "token_ids", "features", "data", "prompt_embeds", "state"),
        *("query", "queries", "text_1", "data_1"),
    )
)
#: Fields that are lists of text, and hold no prompts.
_WORDS = frozenset(("stop", "bad_words", "include", "modalities", "stop_sequences"))
#: Parameters of the tokenizer's method itself, which are no variables of a chat template: `padding` could fill the
#: memory.
_NOT_A_TEMPLATES = frozenset(
    ("tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "tokenizer_kwargs")
)
#: Larger integers fit neither into an engine's arrays nor into the messages between its processes.
_MOST_NUMBER = 2**63
_LONG_NUMBER = re.compile(r"\s*[+-]?[0-9_]{20,}\s*")
#: Of brackets in the arguments of a tool call. Python's parser of JSON fails at a thousand.
_MOST_DEPTH = 200


class _Body(NamedTuple):
    """The number of prompts, the size of all their texts in characters, and the fields that each prompt repeats."""

    prompts: int
    texts: int
    repeated: Mapping[str, Any]


def require_within_bounds(asked: Any, body: Any, bounds: RequestBounds) -> None:
    """Check one request against `bounds`.

    `asked` is the request as the engine's own model has parsed it, `body` the client's JSON. Raises TooMuchAsked if the
    request asks for too much, or has a value that no engine can take.
    """
    read = _read(body if isinstance(body, dict) else {})
    for complaint in (*_complaints(asked, read, bounds), *_faults(read.repeated)):
        raise TooMuchAsked(complaint)


def require_parsable(body: Any, bounds: JsonBounds) -> None:
    """Check the JSON in strings of a body, the arguments of all its tool calls together: an engine parses each.

    The engine's own model may do so while it validates the body. Raises TooMuchAsked.
    """
    try:
        require_bounded_together(_arguments(body), bounds._replace(depth=min(bounds.depth, _MOST_DEPTH)))
    except (TooMuchJson, UnusualNumbers) as refused:
        raise TooMuchAsked(f"the 'arguments' of tool calls, JSON in strings, have {refused.has}") from None


def _complaints(asked: Any, body: _Body, bounds: RequestBounds) -> Iterator[str]:
    count, each = body.prompts, getattr(asked, "n", None) or 1
    together = f"for {count:,} prompts together"
    if each > 1 and count * each > bounds.answers:
        yield f"n is {each:,}, {count * each:,} answers {together}, and HANDRAIL_MAX_N allows {bounds.answers:,}"
    for name, value in body.repeated.items():
        items = 0 if name in _GRAMMARS else _largest(value)
        most = _MOST_OF_LONG if name in _LONG else MOST_ITEMS
        if items > most:
            yield f"{name!r} has {items:,} items in one list or object, and {most:,} are allowed"
    words = getattr(asked, "bad_words", None) or ()
    if len(words) * count > MOST_WORDS or sum(map(len, words)) > MOST_CHARACTERS:
        allowed = f"{MOST_WORDS:,} are allowed, of {MOST_CHARACTERS:,} characters"
        yield f"'bad_words' are {len(words) * count:,} {together}: {allowed}"
    alternatives = getattr(asked, "prompt_logprobs", None) or (
        getattr(asked, "logprobs", None) if getattr(asked, "echo", False) else 0
    )
    if alternatives:
        size = body.texts * (abs(int(alternatives)) + 1) * each
        if size > MOST_ALTERNATIVES:
            yield f"log probabilities of prompts are {size:,} {together}, and {MOST_ALTERNATIVES:,} are allowed"
    if (probabilities := count * of_answer(asked)) > bounds.logprobs:
        yield (
            f"the answer may have {probabilities:,} log probabilities {together}, and HANDRAIL_MAX_LOGPROBS allows "
            f"{bounds.logprobs:,}: ask for fewer tokens (an answer without max_tokens counts as {USUAL_TOKENS:,}), "
            "alternatives or answers, or for a stream"
        )
    if named := _NOT_A_TEMPLATES.intersection(getattr(asked, "chat_template_kwargs", None) or ()):
        yield f"'chat_template_kwargs' has {', '.join(sorted(named))}, which no template knows: leave it out"
    times = count * each * (_BEAM if getattr(asked, "use_beam_search", False) else 1)
    weight = times * (_REQUEST + sum(_weight(name, value) for name, value in body.repeated.items()))
    if times > 1 and weight > bounds.repeated:
        yield (
            f"{count:,} prompts with {each:,} answers each repeat {weight:,} characters of what the request says "
            f"beside them, at {_REQUEST:,} each at least, and HANDRAIL_MAX_REPEATED_CHARS allows {bounds.repeated:,}: "
            "ask in several requests"
        )


def _read(body: Mapping[str, Any]) -> _Body:
    is_chat = "messages" in body or "input" in body
    counts = {name: _prompts(name, value, is_chat=is_chat) for name, value in body.items()}
    texts = {name for name in body if counts[name] > 1 or name in _TEXTS}
    count = max(counts.values(), default=1)
    repeated = {
        name: value for name, value in body.items() if counts[name] == 1 and not (name in _TEXTS and count == 1)
    }
    return _Body(count, sum(_size(body[name]) for name in texts), repeated)


def _prompts(name: str, value: Any, *, is_chat: bool) -> int:
    """The number of prompts in a field. A list of token ids is one prompt, and so is the list of a chat's messages."""
    if name == "questions" and isinstance(value, dict):
        return max(1, len(value))
    if not isinstance(value, list) or not value or isinstance(value[0], (int, float)):
        return 1
    is_one = name in _WORDS if isinstance(value[0], str) else is_chat if isinstance(value[0], dict) else False
    return 1 if is_one else len(value)


def _weight(name: str, value: Any) -> int:
    return _size(value) * (_COMPILED if name in _GRAMMARS else 1) // (_SHARED if name in _TEXTS else 1)


def _size(value: Any) -> int:
    """The approximate number of characters of a value as JSON."""
    if isinstance(value, str):
        return len(value) + _VALUE
    if isinstance(value, dict):
        return _VALUE + sum(len(str(key)) + _size(one) for key, one in value.items())
    return _VALUE + (sum(map(_size, value)) if isinstance(value, list) else 0)


def _largest(value: Any) -> int:
    """The number of items in the largest list or object within `value`."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(len(inner), max(map(_largest, inner), default=0))


def _faults(fields: Mapping[str, Any]) -> Iterator[str]:
    """The values that make an engine fail. Only fields and their direct items are examined: deeper values belong to
    schemas, which may hold anything."""
    for name, value in fields.items():
        inner = (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
        for one in (value, *inner):
            if isinstance(one, str) and not one.isascii() and not _is_text(one):
                yield f"{name!r} has half of a surrogate pair, which is no text: leave it out"
            elif isinstance(one, str) and isinstance(value, dict) and one in value and _LONG_NUMBER.fullmatch(one):
                yield f"{name!r} has the key {one[:40]!r}, a number of more than 64 bits"
            elif isinstance(one, (int, float)) and abs(one) >= _MOST_NUMBER:
                yield f"{name!r} has {str(one)[:40]}, a number of more than 64 bits"


def _is_text(given: str) -> bool:
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _arguments(value: Any) -> Iterator[str]:
    """All texts below the key `arguments`, wherever an API has its tool calls."""
    if isinstance(value, dict) and isinstance(text := value.get("arguments"), str):
        yield text
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, (dict, list)):
            yield from _arguments(inner)
