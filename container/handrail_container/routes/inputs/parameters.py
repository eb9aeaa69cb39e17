"""`parameters` of the shape: which are taken, of which types, and what they are called in a request of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handrail.core.first_error import at_first_error
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from handrail_container.routes.inputs.dialect import InputsDialect
from handrail_container.routes.inputs.refusals import malformed, refused, shown, unknown

#: Passed to the engine under their own names, which it checks itself.
PASSED = (
    *("top_p", "top_k", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "seed", "logit_bias"),
    *("min_tokens", "stop_token_ids", "bad_words", "allowed_token_ids", "include_stop_str_in_output"),
    *("skip_special_tokens", "spaces_between_special_tokens", "add_special_tokens", "structured_outputs"),
    *("cache_salt", "priority", "vllm_xargs"),
)
#: Refused, each with the reason and what to write instead.
REFUSED: Mapping[str, str] = {
    "watermark": "vLLM adds no such watermark: leave it out",
    "typical_p": "vLLM does not know typical sampling: leave it out, or use 'top_p' or 'min_p'",
    "top_n_tokens": "alternatives to each token are not part of this shape here: ask /v1/completions with 'logprobs'",
    "num_beams": "there is no beam search in this shape: ask /v1/completions with 'use_beam_search'",
    "logprobs": "'details' has the log probability of each token",
    "prompt_logprobs": "'decoder_input_details' has the log probability of each token of the prompt",
    "use_cache": "vLLM always uses its cache: leave it out",
}
#: Values of REFUSED that ask for nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "watermark": (False,),
    "typical_p": (1,),
    "top_n_tokens": (0,),
    "num_beams": (1,),
    "use_cache": (True,),
}


class InputsParameters(BaseModel):
    """Those that are translated. JSON's null is the same as to leave one out."""

    model_config = ConfigDict(strict=True)

    max_new_tokens: int | None = Field(None, ge=1)
    do_sample: bool | None = None
    temperature: float | None = Field(None, ge=0)
    stop: str | list[str] | None = None
    stop_sequences: str | list[str] | None = None
    return_full_text: bool | None = None
    details: bool | None = None
    decoder_input_details: bool | None = None
    truncate: int | None = Field(None, ge=1)
    best_of: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1)
    ignore_eos_token: bool | None = None
    adapter_id: str | None = None
    grammar: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None

    @property
    def answers(self) -> int:
        """How many answers are made, of which the best is the answer."""
        if self.best_of and self.n and self.best_of != self.n:
            raise refused(f"parameters.best_of is {self.best_of} and parameters.n is {self.n}: give one of them")
        return self.best_of or self.n or 1

    @property
    def has_details(self) -> bool:
        return bool(self.details or self.decoder_input_details)


#: Ends at the first problem: a list may have as many as it has items.
_SCHEMA: TypeAdapter[InputsParameters] = at_first_error(TypeAdapter(InputsParameters))
#: Every name that is taken.
KNOWN = (*InputsParameters.model_fields, *PASSED)


def read_parameters(given: Any) -> tuple[InputsParameters, dict[str, Any]]:
    """The translated parameters, and those that are passed on as they are. Raises HTTPException (400)."""
    if not isinstance(given, dict):
        raise refused(f"'parameters' is a JSON object, as in {{\"max_new_tokens\": 64}}; this is {shown(given)}")
    asked = {name: value for name, value in given.items() if value is not None}
    for name in tuple(asked):
        if name in REFUSED and asked[name] in _NEUTRAL.get(name, ()):
            del asked[name]
        elif name in REFUSED:
            raise refused(f"parameters.{name} is {shown(asked[name])}: {REFUSED[name]}")
        elif name not in KNOWN:
            raise unknown(name, "the parameter", KNOWN)
    passed = {name: asked.pop(name) for name in PASSED if name in asked}
    try:
        return _SCHEMA.validate_python(asked), passed
    except ValidationError as error:
        raise malformed(error, "parameters") from None


def engine_fields(asked: InputsParameters, passed: Mapping[str, Any], dialect: InputsDialect) -> dict[str, Any]:
    """The fields of the engine's request that say how to generate."""
    fields = dict(passed)
    if asked.temperature is not None:
        fields["temperature"] = asked.temperature
    if _is_greedy(asked, passed, dialect):
        fields["temperature"] = 0
    if stop := [*_listed(asked.stop), *_listed(asked.stop_sequences)]:
        fields["stop"] = list(dict.fromkeys(stop))
    if asked.ignore_eos_token is not None:
        fields["ignore_eos"] = asked.ignore_eos_token
    if asked.truncate is not None:
        fields |= {"truncate_prompt_tokens": asked.truncate, "truncation_side": "left"}  # keeps the last, as TGI
    if asked.answers > 1:
        fields["n"] = asked.answers
    return fields | _constraint(asked, passed)


def _is_greedy(asked: InputsParameters, passed: Mapping[str, Any], dialect: InputsDialect) -> bool:
    """In LMI `do_sample: false` says so, whatever else is there. In TGI any parameter of sampling that has an effect
    samples, whatever `do_sample` is."""
    if dialect.samples or asked.do_sample:
        return asked.do_sample is False
    neutral: Mapping[str, tuple[Any, ...]] = {"top_p": (None, 1), "top_k": (None, 0, -1)}
    return asked.temperature in (None, 1) and all(passed.get(name) in values for name, values in neutral.items())


def _listed(stop: str | list[str] | None) -> list[str]:
    return [stop] if isinstance(stop, str) else stop or []


def _constraint(asked: InputsParameters, passed: Mapping[str, Any]) -> dict[str, Any]:
    """What the text has to be like: `grammar` as TGI writes it, or `response_format` as either does."""
    given = {"grammar": asked.grammar, "response_format": asked.response_format}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) + ("structured_outputs" in passed) > 1:
        raise refused("parameters has two of 'grammar', 'response_format' and 'structured_outputs': give one of them")
    for name, value in named.items():
        if name == "response_format" and "value" not in value:
            return {"response_format": value}  # OpenAI's form
        return {"structured_outputs": _structured(name, value)}
    return {}


def _structured(name: str, given: dict[str, Any]) -> dict[str, Any]:
    kind, value = given.get("type"), given.get("value")
    if kind in ("json", "json_object") and isinstance(value, str | dict):
        return {"json": value}
    if kind == "json_schema" and isinstance(value, dict) and isinstance(value.get("schema"), dict):
        return {"json": value["schema"]}
    if kind == "regex" and isinstance(value, str):
        return {"regex": value}
    raise refused(
        f'parameters.{name} is {shown(given)}: write {{"type": "json", "value": SCHEMA}}, '
        '{"type": "json_schema", "value": {"schema": SCHEMA}} or {"type": "regex", "value": "…"}'
    )
