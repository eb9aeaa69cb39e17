"""A body with `inputs` becomes a request of the engine, or is refused; nothing else can come of it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from handrail_container.engine.asked import require_within_bounds
from handrail_container.engine.grammars import RequestBounds, TooMuchAsked
from handrail_container.routes.inputs.dialect import DIALECTS, GENERATE, GENERATE_STREAM, InputsDialect
from handrail_container.routes.inputs.parameters import KNOWN, REFUSED
from handrail_container.routes.inputs.reading import BATCH, InputsRequest, read
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

GENERATING = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}
EMBEDDING = {"messages": "/v1/embeddings", "input": "/v1/embeddings"}
LMI, TGI = DIALECTS["lmi"], DIALECTS["tgi"]

SCALARS = st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.text(max_size=3)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": st.text()}), min_size=1, max_size=2)
INPUTS = st.text() | st.lists(st.text(), max_size=3) | MESSAGES | st.lists(MESSAGES, max_size=3) | JSON
NAMES = st.sampled_from([*KNOWN, *REFUSED, "max_tokens"])
BODIES = st.fixed_dictionaries(
    {"inputs": INPUTS},
    optional={
        "parameters": st.dictionaries(NAMES, JSON, max_size=4) | JSON,
        "stream": st.booleans() | JSON,
        "model": st.just("m") | JSON,
        "options": JSON,
    },
)


def asked(inputs: Any, dialect: InputsDialect = LMI, paths: dict[str, str] = GENERATING, **more: Any) -> InputsRequest:
    return read({"inputs": inputs, **more}, dialect, paths)


def refusal(*given: Any, **more: Any) -> str:
    with pytest.raises(HTTPException) as refused:
        asked(*given, **more)
    assert refused.value.status_code == 400
    return str(refused.value.detail)


def outcome(*given: Any) -> InputsRequest | HTTPException:
    try:
        return read(*given)
    except HTTPException as refused:
        return refused


@given(BODIES, st.sampled_from([LMI, TGI, GENERATE, GENERATE_STREAM]), st.sampled_from([GENERATING, EMBEDDING]))
def test_any_body_is_a_request_or_400(body: dict[str, Any], dialect: InputsDialect, paths: dict[str, str]) -> None:
    """A request can be sent, has a limit, and streams only where it has one answer."""
    found = outcome(body, dialect, paths)
    if isinstance(found, HTTPException):
        assert (found.status_code, len(str(found.detail)) < 2000) == (400, True)
        return
    assert json.dumps(found.body)
    if found.kind != "vectors":
        assert found.body.get("max_tokens", found.body.get("max_completion_tokens")) >= 1
    if found.is_streamed:
        assert found.body["stream"] is True
        assert (found.each, found.path == BATCH) == (1, False)
        assert not isinstance(found.body.get("prompt"), list)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_the_prompts_are_the_engine_s(texts: list[str]) -> None:
    """One alone is no list."""
    assert asked(texts).body["prompt"] == (texts if len(texts) > 1 else texts[0])
    assert asked(texts).is_list


def test_what_is_asked_of_the_engine_is_weighed_by_it() -> None:
    """As any other request: prompts, answers, and what each repeats."""
    body = asked(["one", "two"], parameters={"best_of": 3, "stop": ["x" * 100]}).body
    require_within_bounds(None, body, RequestBounds(repeated=10_000_000))
    with pytest.raises(TooMuchAsked, match="2 prompts"):
        require_within_bounds(None, body, RequestBounds(repeated=2_000))
    several = asked([[{"role": "user", "content": "a"}]] * 3, parameters={"stop": ["x" * 100]}).body
    with pytest.raises(TooMuchAsked, match="3 prompts"):
        require_within_bounds(None, several, RequestBounds(repeated=2_000))


def test_a_large_mistake_is_refused_at_once() -> None:
    """A million wrong items, a name or a value of megabytes: the message has the beginning."""
    began = time.process_time()
    assert "parameters.stop is" in refusal("a", parameters={"stop": [1] * 1_000_000})
    assert "is unknown" in refusal("a", parameters={"x" * 10_000_000: 1})
    assert "is unknown" in refusal("a", **{"x" * 10_000_000: 1})
    assert len(refusal([1] * 1_000_000)) < 500
    assert len(refusal({"x" * 1_000_000: {"y": {"z": {"deep": [["x" * 10_000_000]]}}}})) < 500
    assert time.process_time() - began < 1.5  # a tenth of it on an idle machine


def test_the_model_is_that_of_the_adapter_or_the_body() -> None:
    """Of which only the adapter has to be one."""
    assert asked("a", parameters={"adapter_id": "poet"}).body["model"] == "poet"
    assert asked("a", parameters={"adapter_id": "poet"}).adapter == "poet"
    assert (asked("a", model="base").body["model"], asked("a", model="base").adapter) == ("base", None)
    assert "model" not in asked("a", model="").body
    assert "give one of them" in refusal("a", model="base", parameters={"adapter_id": "poet"})


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ({"input": "/classify"}, "this model takes no 'inputs': send a body with 'input'"),
        (EMBEDDING, "this model embeds, which has no parameter 'max_new_tokens'"),
    ],
)
def test_a_model_that_does_not_generate(paths: dict[str, str], says: str) -> None:
    """It says what to send."""
    assert says in refusal("a", paths=paths, parameters={"max_new_tokens": 3})


def test_inputs_are_embedded_by_a_model_that_embeds() -> None:
    """Cut to its last tokens, and by an adapter, where the request says so."""
    assert asked("a", paths=EMBEDDING).body == {"input": ["a"]}
    cut = asked(["a", "b"], paths=EMBEDDING, parameters={"truncate": 3, "adapter_id": "x"})
    expected = {"input": ["a", "b"], "truncate_prompt_tokens": 3, "truncation_side": "left", "model": "x"}
    assert (cut.body, cut.is_list) == (expected, True)
    assert "this model embeds" in refusal("a", paths=EMBEDDING, stream=True)
    assert "has messages" in refusal([{"role": "user", "content": "a"}], paths=EMBEDDING)


def test_tgi_samples_where_a_parameter_has_an_effect() -> None:
    """Else it is greedy."""
    for parameters in ({}, {"temperature": 1.0}, {"top_p": 1}, {"top_k": 0}, {"do_sample": False}):
        assert asked("a", TGI, parameters=parameters).body["temperature"] == 0, parameters
    for parameters in ({"top_p": 0.5}, {"top_k": 3}, {"do_sample": True}, {"temperature": 0.5}):
        assert asked("a", TGI, parameters=parameters).body.get("temperature") in (None, 0.5), parameters


def test_a_route_s_own_way_is_all_it_does() -> None:
    """To say the same is no mistake."""
    assert asked("a", GENERATE_STREAM, stream=True).is_streamed
    assert not asked("a", GENERATE, stream=False).is_streamed
    assert "/generate does not" in refusal("a", GENERATE_STREAM, stream=False)
