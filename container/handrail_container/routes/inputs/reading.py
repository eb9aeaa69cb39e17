"""A body of the shape becomes a request of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from handrail_container.routes.inputs.dialect import InputsDialect, generates
from handrail_container.routes.inputs.parameters import InputsParameters, engine_fields, read_parameters
from handrail_container.routes.inputs.refusals import names, refused, shown, unknown

COMPLETIONS, CHAT, EMBEDDINGS = "/v1/completions", "/v1/chat/completions", "/v1/embeddings"
BATCH = f"{CHAT}/batch"

_KEYS = ("inputs", "parameters", "stream", "model", "adapters", "options")
_FORMS = (
    'a string, a list of strings, a list of messages as [{"role": "user", "content": "…"}], or a list of such lists'
)
#: What vLLM's route for several conversations takes; it ignores all else.
_OF_BATCHES = frozenset(
    (
        *("max_new_tokens", "do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed"),
        *(
            "frequency_penalty",
            "presence_penalty",
            "stop",
            "stop_sequences",
            "logit_bias",
            "include_stop_str_in_output",
        ),
        *("response_format", "grammar", "structured_outputs", "cache_salt", "priority"),
        *("details", "return_full_text", "adapter_id"),
    )
)
Kind = Literal["texts", "chats", "vectors"]


@dataclass(frozen=True)
class InputsRequest:
    """`body` is for the engine's route `path`. `prompts` stand before their answers where the full text is asked for.

    `is_list`: the answer is a list, with `each` answers to every prompt, of which one is shown.
    """

    path: str
    body: dict[str, Any]
    kind: Kind
    is_list: bool
    is_streamed: bool = False
    has_details: bool = False
    prompts: tuple[str, ...] = ()
    each: int = 1
    adapter: str | None = None


def takes_inputs(paths: Mapping[str, str]) -> bool:
    return generates(paths) or paths.get("input") == EMBEDDINGS


def read(payload: Mapping[str, Any], dialect: InputsDialect, paths: Mapping[str, str]) -> InputsRequest:
    """`paths` are the engine's routes by a body's key. Raises HTTPException (400)."""
    for key in payload:
        if key in paths:
            raise refused(f"the body has both 'inputs' and {key!r}, of which either says what to answer: give one")
        if key not in _KEYS:
            raise unknown(key, "the field", _KEYS)
    parameters, passed = read_parameters(payload["parameters"] if payload.get("parameters") is not None else {})
    is_streamed = _is_streamed(payload.get("stream"), dialect)
    named = adapter_of(payload)
    adapter = _adapter(payload.get("model"), named, parameters)
    if generates(paths):
        asked = _generate(payload["inputs"], parameters, is_streamed=is_streamed, dialect=dialect)
        fields = engine_fields(parameters, passed, dialect)
        if asked.path == BATCH:
            _require_of_batches(parameters, passed)
    elif takes_inputs(paths):
        asked, fields = _embed(payload["inputs"], dialect), _of_vectors(parameters, passed, is_streamed=is_streamed)
    else:
        raise refused(f"this model takes no 'inputs': send a body with {' or '.join(map(repr, paths))}")
    model = {} if adapter is None else {"model": adapter}
    return replace(asked, body={**asked.body, **fields, **model}, adapter=parameters.adapter_id or named)


def _is_streamed(given: Any, dialect: InputsDialect) -> bool:
    if given is not None and not isinstance(given, bool):
        raise refused(f"'stream' is {shown(given)}: write true or false")
    if dialect.streams is None:
        return bool(given)
    if given is not None and given != dialect.streams:
        raise refused("'stream' is the opposite of what this route does: /generate_stream streams, /generate does not")
    return dialect.streams


def adapter_of(payload: Mapping[str, Any]) -> str | None:
    """The name in LMI's `adapters`, a text or a list of one for each prompt. Raises HTTPException (400)."""
    given = payload.get("adapters")
    names = given if isinstance(given, list) else [given]
    if given is None or (all(isinstance(name, str) for name in names) and len(set(names)) == 1):
        return names[0] or None
    raise refused(f"'adapters' is {shown(given)}: write the name of one adapter, which answers all of 'inputs'")


def _adapter(model: Any, named: str | None, parameters: InputsParameters) -> str | None:
    if model is not None and not isinstance(model, str):
        raise refused(f"'model' is {shown(model)}: write the name of the model or of an adapter")
    given = {"model": model or None, "adapters": named, "adapter_id": parameters.adapter_id}
    told = {key: name for key, name in given.items() if name is not None}
    if len(set(told.values())) > 1:
        said = " and ".join(f"{key!r} is {shown(name)}" for key, name in told.items())
        raise refused(f"{said}: give one of them")
    return next(iter(told.values()), None)


def _generate(inputs: Any, parameters: InputsParameters, *, is_streamed: bool, dialect: InputsDialect) -> InputsRequest:
    kind, given, is_list = _prompts(inputs)
    each, is_chat, is_many = parameters.answers, kind == "chats", len(given) > 1
    has_full_text = parameters.return_full_text
    if has_full_text and is_chat:
        raise refused("parameters.return_full_text is true, and the text before an answer to messages is a template's")
    if is_streamed:
        _require_streamable(parameters, is_many=is_many)
    if is_chat:
        path = BATCH if is_many else CHAT
        limit, body = "max_completion_tokens", {"messages": given if is_many else given[0]}
    else:
        path, limit, body = COMPLETIONS, "max_tokens", {"prompt": given if is_many else given[0]}
    if has_full_text is None:
        has_full_text = dialect.has_full_text and not is_chat
    body[limit] = parameters.max_new_tokens or dialect.max_new_tokens
    body |= _details(parameters, path, is_streamed=is_streamed)
    return InputsRequest(
        path,
        body,
        kind,
        is_list or dialect.lists_one,
        is_streamed,
        parameters.has_details,
        tuple(given) if has_full_text else (),
        each,
    )


def _prompts(inputs: Any) -> tuple[Kind, list[Any], bool]:
    """Whether they are texts or conversations, each of them, and whether they came as a list."""
    if isinstance(inputs, str) and inputs:
        return "texts", [inputs], False
    if isinstance(inputs, list) and inputs:
        first = inputs[0]
        if isinstance(first, str) and all(isinstance(one, str) and one for one in inputs):
            return "texts", inputs, True
        if _is_conversation(inputs):
            return "chats", [inputs], False
        if all(map(_is_conversation, inputs)):
            return "chats", inputs, True
    raise refused(f"'inputs' is {shown(inputs)}: write {_FORMS}, none of them empty")


def _is_conversation(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(one, dict) for one in given)


def _require_streamable(parameters: InputsParameters, *, is_many: bool) -> None:
    if is_many:
        raise refused("'inputs' has several prompts, and a stream has one answer: send one, or ask for no stream")
    if parameters.answers > 1:
        raise refused(f"parameters.best_of or n is {parameters.answers}, and a stream has one answer: leave it out")
    if parameters.decoder_input_details:
        raise refused("parameters.decoder_input_details is true, which a stream cannot answer: leave one of them out")


def _details(parameters: InputsParameters, path: str, *, is_streamed: bool) -> dict[str, Any]:
    """The fields by which the engine says more than the text."""
    found: dict[str, Any] = {}
    if is_streamed or parameters.has_details or parameters.answers > 1:
        found |= {"logprobs": 0 if path == COMPLETIONS else True, "return_token_ids": True}
    if is_streamed:
        found |= {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    if parameters.decoder_input_details:
        found["prompt_logprobs"] = 1
    return found


def _require_of_batches(parameters: InputsParameters, passed: Mapping[str, Any]) -> None:
    if others := sorted((parameters.model_fields_set | passed.keys()) - _OF_BATCHES):
        raise refused(
            f"'inputs' has several conversations, which are answered without {names(others)}: leave it "
            "out, or send one conversation a request"
        )


def _embed(inputs: Any, dialect: InputsDialect) -> InputsRequest:
    kind, given, is_list = _prompts(inputs)
    if kind == "chats":
        raise refused("'inputs' has messages, and this model embeds: write a string, or a list of strings")
    return InputsRequest(EMBEDDINGS, {"input": given}, "vectors", is_list or dialect.lists_one)


def _of_vectors(parameters: InputsParameters, passed: Mapping[str, Any], *, is_streamed: bool) -> dict[str, Any]:
    allowed = {"truncate", "adapter_id"}
    if others := sorted((parameters.model_fields_set | passed.keys()) - allowed):
        raise refused(f"this model embeds, which has no parameter {names(others)}: leave it out")
    if is_streamed:
        raise refused("'stream' is true, and this model embeds: leave it out")
    if parameters.truncate is None:
        return {}
    return {"truncate_prompt_tokens": parameters.truncate, "truncation_side": "left"}
