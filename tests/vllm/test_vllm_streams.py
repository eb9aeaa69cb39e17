"""Streams are to the byte what vLLM's own generators make of the same results."""

from __future__ import annotations

import copy
import gc
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Served
from fastapi import HTTPException
from handrail_container.engine.vllm.streams import is_lean
from starlette.responses import StreamingResponse

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="session"),
    # vLLM's own request model marks the field that every client still sends
    pytest.mark.filterwarnings("ignore:max_tokens is deprecated:DeprecationWarning"),
]

CHAT, COMPLETION = "/v1/chat/completions", "/v1/completions"
GENERATORS = {
    CHAT: ("openai_serving_chat", "chat_completion_stream_generator"),
    COMPLETION: ("openai_serving_completion", "completion_stream_generator"),
}
ASKED = {
    CHAT: {"messages": [{"role": "user", "content": "What does /ping do?"}]},
    COMPLETION: {"prompt": "user: What does /ping do?"},
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "it", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
#: Of both kinds; these are written here but for their first and last events.
LEAN: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampled": {"temperature": 1.5, "seed": 7, "top_p": 0.9, "top_k": 50, "max_tokens": 60},
    "usage": {"stream_options": {"include_usage": True}},
    "no usage": {"stream_options": {"include_usage": False}},
    "stop string": {"stop": [" ready"], "stream_options": {"include_usage": True}},
    "stop strings that hold text back": {"stop": ["a text that never comes"], "seed": 1, "temperature": 1},
    "one choice": {"n": 1, "user": "somebody", "frequency_penalty": 0.5, "presence_penalty": 0.5},
    "json": {"response_format": {"type": "json_object"}},
    "schema": {"response_format": SCHEMA},
    "past its end": {"ignore_eos": True, "max_tokens": 64, "min_tokens": 64},
}
#: These are all vLLM's own.
OWN: dict[str, dict[str, Any]] = {
    "several choices": {"n": 3, "temperature": 1, "seed": 3, "stream_options": {"include_usage": True}},
    "usage all along": {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    "token ids": {"return_token_ids": True},
    "echo": {"echo": True},
    "no special tokens": {"skip_special_tokens": False},
    "a field unknown to vLLM": {"anything": 1},
    "an id of its own": {"request_id": 'a "quoted" id', "priority": 0},
}
CASES = [
    *((path, {**more, "max_tokens": more.get("max_tokens", 24)}) for path in ASKED for more in LEAN.values()),
    *((path, {**more, "max_tokens": 24}) for path in ASKED for more in OWN.values()),
    *((path, {"max_tokens": 1, "stream_options": {"include_usage": True}}) for path in ASKED),
    *((path, {"max_tokens": 2}) for path in ASKED),
    (CHAT, {"max_completion_tokens": 24}),
    (CHAT, {"logprobs": True, "top_logprobs": 2, "max_tokens": 8}),
    (CHAT, {"tools": [TOOL], "tool_choice": "none", "max_tokens": 24}),
    (COMPLETION, {"logprobs": 2, "max_tokens": 8}),
    (COMPLETION, {"prompt": ["What does", "user: Why"], "max_tokens": 24, "stream_options": {"include_usage": True}}),
    (COMPLETION, {"prompt": [[1, 2, 3]], "max_tokens": 24}),
    (COMPLETION, {"prompt": [1, 2, 3], "max_tokens": 24}),
    (COMPLETION, {"echo": True, "max_tokens": 0}),
]


@dataclass
class Beside:
    """vLLM's own generator fed with what ours was fed with."""

    results: list[Any] = field(default_factory=list)
    own: str = ""
    is_lean: bool = False


async def replayed(results: list[Any], ends_in: Exception | None = None) -> AsyncIterator[Any]:
    for result in copy.deepcopy(results):
        yield result
    if ends_in is not None:
        raise ends_in


def same(events: str) -> str:
    return re.sub(r'"created":\d+', '"created":0', events)


def put_beside(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    ends_in: Exception | None = None,
    keep: int | None = None,
) -> Beside:
    """`keep` of the results, and an error after them."""
    beside = Beside()
    name, method = GENERATORS[path]
    serving = getattr(served.app.state, name)
    ours, own = getattr(serving, method), getattr(type(serving), method).__get__(serving)
    assert ours != own, "vLLM's generator is as it was"

    async def generator(*given: Any, **named: Any) -> AsyncIterator[str]:
        place = next(place for place, one in enumerate(given) if hasattr(one, "__anext__"))
        beside.results = [result async for result in given[place]][:keep]
        beside.is_lean = is_lean(serving, given[0])
        own_given = [*given[:place], replayed(beside.results, ends_in), *given[place + 1 :]]
        beside.own = "".join([event async for event in own(*own_given, **named)])
        our_given = [*given[:place], replayed(beside.results, ends_in), *given[place + 1 :]]
        async for event in ours(*our_given, **named):
            yield event

    monkeypatch.setattr(serving, method, generator)
    return beside


async def answered(served: Served, path: str, **more: Any) -> str:
    body = {**ASKED[path], "temperature": 0, "stream": True, **more}
    response = await served.client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return response.text


@pytest.mark.parametrize(("path", "more"), CASES, ids=str)
async def test_every_byte_is_vllms(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, more: dict[str, Any]
) -> None:
    beside = put_beside(served, monkeypatch, path)
    text = await answered(served, path, **more)
    assert same(text) == same(beside.own)
    assert text.count("data: ") >= 2
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("more", LEAN.values(), ids=LEAN)
async def test_a_plain_request_is_written_here(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, more: dict[str, Any]
) -> None:
    beside = put_beside(served, monkeypatch, path)
    await answered(served, path, **{"max_tokens": 24, **more})
    assert beside.is_lean


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("more", OWN.values(), ids=OWN)
async def test_what_might_differ_is_vllms_own(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, more: dict[str, Any]
) -> None:
    beside = put_beside(served, monkeypatch, path)
    await answered(served, path, **{"max_tokens": 8, **more})
    assert not beside.is_lean or "stream_options" in more  # usage in every event shows in the first


@pytest.mark.parametrize("choice", [None, "auto", "required", {"type": "function", "function": {"name": "look_up"}}])
async def test_a_parser_of_tools_is_vllms_own(
    served: Served, monkeypatch: pytest.MonkeyPatch, choice: str | dict[str, Any] | None
) -> None:
    """As with SM_VLLM_ENABLE_AUTO_TOOL_CHOICE and SM_VLLM_TOOL_CALL_PARSER, whether or not a request has tools."""
    from vllm.parser import ParserManager

    serving = served.app.state.openai_serving_chat
    parser = ParserManager.get_parser(
        tool_parser_name="hermes", enable_auto_tools=True, model_name="", tokenizer=serving.renderer.tokenizer
    )
    for holder, name, value in (
        (serving, "parser_cls", parser),
        (serving, "enable_auto_tools", True),
        (serving.online_renderer, "parser", parser),
        (serving.online_renderer, "enable_auto_tools", True),
    ):
        assert hasattr(holder, name)
        monkeypatch.setattr(holder, name, value)
    beside = put_beside(served, monkeypatch, CHAT)
    asked = {"tools": [TOOL], "tool_choice": choice} if choice else {}
    text = await answered(served, CHAT, max_tokens=48, **asked)
    assert _without_ids(same(text)) == _without_ids(same(beside.own))
    assert not beside.is_lean
    assert '"tool_calls"' in text or choice in (None, "auto")


def _without_ids(events: str) -> str:
    """Those of the calls are drawn anew by each generator."""
    return re.sub(r'"id":"(chatcmpl-tool|call)[^"]*"', '"id":""', events)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("keep", [0, 1, 2, 9])
async def test_an_error_in_mid_stream_is_told_as_vllm_tells_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, keep: int
) -> None:
    beside = put_beside(served, monkeypatch, path, RuntimeError("the engine is out of luck"), keep)
    text = await answered(served, path, max_tokens=24, stream_options={"include_usage": True})
    assert same(text) == same(beside.own)
    assert '"error"' in text


@pytest.mark.parametrize("path", ASKED)
async def test_results_that_end_early_count_as_vllm_counts_them(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    beside = put_beside(served, monkeypatch, path, keep=9)
    text = await answered(served, path, max_tokens=24, stream_options={"include_usage": True})
    assert same(text) == same(beside.own)
    # A busy machine puts two tokens into one result. Those of completions come with the number of their prompt.
    results = [result[1] if isinstance(result, tuple) else result for result in beside.results]
    tokens = sum(len(result.outputs[0].token_ids) for result in results)
    assert f'"completion_tokens":{tokens}' in text


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    ("more", "status"), [({"max_tokens": -1}, 400), ({"model": "another"}, 404), ({"n": 0}, 400), ({"top_p": 5}, 400)]
)
async def test_an_error_before_the_stream_keeps_its_status(
    served: Served, path: str, more: dict[str, Any], status: int
) -> None:
    response = await served.client.post(path, json={**ASKED[path], "stream": True, **more})
    assert response.status_code == status
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("path", ASKED)
async def test_most_events_are_written_without_vllms_encoder(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionStreamResponse
    from vllm.entrypoints.openai.completion.protocol import CompletionStreamResponse

    event = ChatCompletionStreamResponse if path == CHAT else CompletionStreamResponse
    made: list[int] = []
    initialise = event.__init__

    def counted(self: Any, **given: Any) -> None:
        made.append(1)
        initialise(self, **given)

    monkeypatch.setattr(event, "__init__", counted)
    text = await answered(served, path, max_tokens=64, ignore_eos=True, stream_options={"include_usage": True})
    assert text.count("data: ") > 30
    assert len(made) <= 5


@pytest.mark.parametrize("path", ASKED)
async def test_who_stops_listening_aborts(served: Served, path: str) -> None:
    facade = served.backend.facade
    ask = facade.chat_completions if path == CHAT else facade.completions
    asked = {**ASKED[path], "max_tokens": 400, "ignore_eos": True, "stream": True}
    response = await ask(model_input=asked)
    assert isinstance(response, StreamingResponse)
    seen = 0
    async for _ in response.body_iterator:
        seen += 1
        if seen == 20:
            break
    await response.body_iterator.aclose()  # type: ignore[attr-defined]
    assert await served.unfinished() == 0


async def test_the_facade_raises_what_fails_in_mid_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    put_beside(served, monkeypatch, CHAT, RuntimeError("out of luck"), 5)
    response = await served.backend.facade.chat_completions(model_input={**ASKED[CHAT], "stream": True})
    with pytest.raises(HTTPException, match="out of luck"):
        async for _ in response.body_iterator:
            pass


async def test_no_stream_waits_until_the_collector_has_looked_at_all_of_vllm(served: Served) -> None:
    client = served.backend.client
    assert gc.is_tracked(client)
    assert not any(known is client for known in gc.get_objects())
