"""What one request may ask of an engine beside its tokens: a grammar, which takes minutes to compile where it is large
and keeps all others waiting, and many answers at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import HTTPException

from handrail_container.engine import expressions, schemas
from handrail_container.engine.expressions import MOST_DEPTH, NO_END, depth
from handrail_container.http.json_bounds import NO_BOUNDS as NO_JSON_BOUNDS
from handrail_container.http.json_bounds import JsonBounds

_SETTING = "HANDRAIL_MAX_GRAMMAR_SIZE"
#: How deep brackets may be in each other, in a language of its own.
_MOST_DEPTH = 64
#: What brackets do not count in: a grammar's text in quotes.
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"?')  # which ends anywhere: else it is looked for from each quote on
#: A schema in a grammar's text.
_EMBEDDED = "%json"
#: Where a structural tag has grammars of its own, by the name of the key.
_NESTED = {"grammar": "grammar", "lark_grammar": "grammar", "regex": "regex", "json_schema": "json", "schema": "json"}


class TooMuchAsked(HTTPException, ValueError):
    """One request asks for too much: 400. Some of vLLM's routes take any exception but a ValueError for its own bug."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)

    def __str__(self) -> str:
        return str(self.detail)


class RequestBounds(NamedTuple):
    """`grammar`: the size of one; `answers`: the largest `n`; `text`: characters of one, None for what the model's
    context says; `repeated`: characters that all prompts of one request repeat together; `logprobs`: log probabilities
    of an answer, half of those of a stream; `json`: the JSON of all arguments of tool calls together."""

    grammar: int = sys.maxsize
    answers: int = sys.maxsize
    text: int | None = sys.maxsize
    repeated: int = sys.maxsize
    logprobs: int = sys.maxsize
    json: JsonBounds = NO_JSON_BOUNDS


NO_BOUNDS = RequestBounds()


def require_compilable(outputs: Any, most: int) -> None:
    """Raises TooMuchAsked where vLLM's `structured_outputs` hold more than `most` characters, or what takes as long to
    compile. None is nothing to compile."""
    for field, measure in _MEASURES.items() if outputs is not None else ():
        given = getattr(outputs, field, None)
        size = 0 if given is None else _size(given, measure, most)
        if size > most:
            has = f"a size of {size:,}" if size < NO_END else "brackets too deep in each other, or no end"
            raise TooMuchAsked(f"structured outputs: {field!r} has {has}, and {_SETTING} allows {most:,}")


def require_few(n: int | None, most: int) -> None:
    """Raises TooMuchAsked where one request asks for more than `most` answers."""
    if n is not None and n > most:
        raise TooMuchAsked(f"n is {n:,}, and HANDRAIL_MAX_N allows {most:,}")


def require_few_logprobs(count: int, most: int) -> None:
    """Raises TooMuchAsked if a prompt would have more than `most` log probabilities."""
    if count > most:
        raise TooMuchAsked(f"the prompt has {count:,} log probabilities, and HANDRAIL_MAX_LOGPROBS allows {most:,}")


def without_prompt_logprobs(params: Any) -> Any:
    """The parameters, without log probabilities of the prompt. On a CPU, an engine that takes LoRA adapters dies of
    them: vLLM multiplies the prompt's rows by the adapters of the batch's.

    A chat with `echo` asks for 0 alternatives to each token, which nobody asked it for: they are left out. Raises
    TooMuchAsked for others.
    """
    alternatives = getattr(params, "prompt_logprobs", None)
    if alternatives == 0 and params.logprobs is None:
        params = params.clone()
        params.prompt_logprobs = None
    elif alternatives is not None:
        raise TooMuchAsked(
            "log probabilities of the prompt: vLLM does not give them on a CPU with LoRA (SM_VLLM_ENABLE_LORA). Leave "
            "out prompt_logprobs; with echo, leave out logprobs"
        )
    return params


def _size(given: Any, measure: Callable[[str], int], most: int) -> int:
    """In characters as JSON, or what it costs where that is more. Nothing that is too long is looked at."""
    text = given if isinstance(given, str) else json.dumps(given)
    return len(text) if len(text) > most else max(len(text), measure(text))


def _of_grammar(text: str) -> int:
    """Of a grammar in a language of its own, or in JSON."""
    if text.lstrip().startswith("{"):
        return _of_json(text)
    if depth(_QUOTED.sub("", text)) > _MOST_DEPTH:
        return NO_END
    return expressions.cost(text) + sum(map(_of_embedded, text.split(_EMBEDDED)[1:]))


def _of_embedded(text: str) -> int:
    """Of the schema that `text` begins with."""
    text = text.lstrip()
    try:
        schema, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return NO_END
    return _of_schema(schema) if depth(_QUOTED.sub("", text[:end])) <= _MOST_DEPTH else NO_END


def _of_json(text: str) -> int:
    if depth(_QUOTED.sub("", text)) > MOST_DEPTH:
        return NO_END
    try:
        schema = json.loads(text)
    except ValueError:  # the engine says what is wrong with it
        return 0
    return _of_schema(schema)


def _of_schema(schema: Any) -> int:
    nested = (_MEASURES[_NESTED[key]](value) for each in schemas.objects_of(schema) for key, value in _texts(each))
    return schemas.size(schema) + sum(nested)


def _texts(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Grammars that it has as text, by the key."""
    return ((key, value) for key, value in schema.items() if key in _NESTED and isinstance(value, str))


_MEASURES: Mapping[str, Callable[[str], int]] = {
    "json": _of_json,
    "regex": expressions.cost,
    "choice": len,
    "grammar": _of_grammar,
    "structural_tag": _of_json,
    "whitespace_pattern": expressions.cost,
}
