"""A request's way through a definition, its snippet run by a runner that is told what to do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from handrail.core.errors import LoadFailed
from handrail.core.whole_model import Start
from handrail.styles.definition.adapter import BUILT_IN, Adapter, AdapterFailed, Identity, ModelInfo
from handrail.styles.definition.inspection import inspect_snippet
from handrail.styles.definition.limits import RateLimit
from handrail.styles.definition.model import DefinedModel
from handrail.styles.definition.runner import Busy, NotText, RunFailed, Runner, SnippetRaised, TimedOut, WorkerDied
from handrail.styles.definition.schema import Definition
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.stages import StageFailed
from starlette.requests import ClientDisconnect

from tests.handlers.driver import Answer, WordEngine, scope, send

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
ANSWER = '{"choices": [{"message": {"role": "assistant", "content": "hello"}}]}'


class ToldRunner:
    """Answers, or raises, what it is told to."""

    def __init__(self, does: Callable[[str], str] | Exception) -> None:
        self.does = does
        self.was_asked: list[tuple[str, str, Any]] = []
        self.is_healthy = False
        self.stops = 0

    async def start(self) -> None:
        if isinstance(self.does, LoadFailed):
            raise self.does
        self.is_healthy = True

    async def run(self, body: str, *, request_id: str, sample: Any = None) -> str:
        self.was_asked.append((body, request_id, sample))
        if isinstance(self.does, Exception):
            raise self.does
        return self.does(body)

    async def stop(self) -> None:
        self.stops += 1


class Faulty(Identity):
    """Fails in whichever direction its key says."""

    def process_input(self, value: Any, kwargs: Any, info: ModelInfo) -> str:
        if self.key == "in":
            raise AdapterFailed("a.yaml:3 UndefinedError: 'x' is undefined")
        assert threading.current_thread() is not threading.main_thread()
        return super().process_input(value, kwargs, info)

    def process_output(self, body: str, status_code: int, info: ModelInfo) -> str:
        assert (status_code, info) == (200, {"model_key": "k", "modality": "text", "task": "chat_completion"})
        raise AdapterFailed("a.yaml:9 it is so")


def never(snippet: Snippet, engine_url: str) -> NoReturn:
    raise AssertionError("a test says what runs it")


async def begin(made: DefinedModel, runner: Runner) -> None:
    made.open_runner = lambda snippet, engine_url: runner
    await made.start(Start(WordEngine(), ""))


def model(adapter: Adapter | None = None, **fields: Any) -> DefinedModel:
    source = "def run_inference(body, environment): return body"
    config = {
        "connection_type": "custom_inference",
        "run_inference_snippet": source,
        "environment": fields.pop("environment", {}),
    }
    made = Definition.model_validate({"key": "k", "display_name": "K", "config": config, **fields})
    snippet = Snippet(source, "run.py", 1, Path("/ml"), made.environment, 15, 1)
    signature = inspect_snippet(source, "run.py")
    return DefinedModel(made, adapter or BUILT_IN["latticeflow$identity"], snippet, signature, never)


async def ask(made: DefinedModel, does: Callable[[str], str] | Exception, body: Any = CHAT) -> Answer:
    await begin(made, ToldRunner(does))
    return await send(made.handler.app, body, state={"request_id": "r"})


async def failure(made: DefinedModel, does: Callable[[str], str] | Exception, body: Any = CHAT) -> StageFailed:
    with pytest.raises(StageFailed) as failed:
        await ask(made, does, body)
    return failed.value


async def test_a_chat_goes_in_and_comes_out_canonical() -> None:
    made, runner = model(), ToldRunner(lambda body: ANSWER)
    await begin(made, runner)
    answer = await send(made.handler.app, {**CHAT, "temperature": 0}, state={"request_id": "r"})
    assert (answer.status, answer.headers["content-type"], answer.json()) == (
        200,
        "application/json",
        json.loads(ANSWER),
    )
    ((body, request_id, sample),) = runner.was_asked
    assert (json.loads(body), request_id, sample) == ({**CHAT, "temperature": 0}, "r", None)


async def test_openais_adapter_names_the_model() -> None:
    openai = BUILT_IN["latticeflow$openai_chat_completion"]

    def answer(body: str) -> str:
        return json.dumps({"choices": [{"message": {"role": "assistant", "content": json.loads(body)["model"]}}]})

    assert (await ask(model(openai), answer)).json()["choices"][0]["message"]["content"] == "k"


@pytest.mark.parametrize(
    ("text", "media_type"),
    [('{"a": 1}', "application/json"), ("plain", "text/plain; charset=utf-8"), ("NaN", "text/plain; charset=utf-8")],
)
async def test_what_is_custom_is_passed_on(text: str, media_type: str) -> None:
    answer = await ask(model(task="custom"), lambda body: text + body, "")
    assert answer.text == text + '""'
    answer = await ask(model(task="custom"), lambda body: text, {"any": 1})
    assert (answer.text, answer.headers["content-type"]) == (text, media_type)


async def test_embeddings() -> None:
    answer = await ask(model(task="embeddings"), lambda body: '{"embeddings": [[1]]}', ["a"])
    assert answer.json() == {"embeddings": [[1]]}


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"{", "the body is not JSON: "), (b'{"a": NaN}', "NaN is no JSON"), ({"prompt": "a"}, "`messages` is a list")],
)
async def test_a_body_that_cannot_be_meant(body: Any, said: str) -> None:
    failed = await failure(model(), lambda body: ANSWER, body)
    assert (failed.status, failed.kind, failed.stage) == (400, None, "input")
    assert said in str(failed)


RAISED = SnippetRaised("ValueError", "no", "run.py:3", "Traceback …")
UPSTREAM = {"status_code": None, "upstream_status": 500, "retry_after": "7"}


@pytest.mark.parametrize(
    ("error", "status", "kind", "headers", "upstream"),
    [
        (RAISED, 500, "snippet_error", None, None),
        (SnippetRaised("HTTPException", "no", "a:1", "", status_code=418), 418, "snippet_error", None, None),
        (SnippetRaised("E", "no", "a:1", "", upstream_status=500, retry_after="7"), 502, "upstream_error", None, 500),
        (
            SnippetRaised("E", "no", "a:1", "", status_code=429, upstream_status=429, retry_after="7"),
            429,
            "upstream_error",
            {"Retry-After": "7"},
            429,
        ),
        (SnippetRaised("E", "no", "a:1", "", upstream_status=429), 429, "upstream_error", None, 429),
        (NotText("dict"), 502, "bad_snippet_output", None, None),
        (TimedOut(15), 504, None, {"x-should-retry": "false"}, None),
        (WorkerDied("signal SIGSEGV"), 500, "worker_crashed", None, None),
        (Busy(0.2), 503, None, {"Retry-After": "1"}, None),
        (Busy(2.2), 503, None, {"Retry-After": "3"}, None),
    ],
)
async def test_what_a_runner_raises(
    error: RunFailed, status: int, kind: str | None, headers: Any, upstream: int | None
) -> None:
    failed = await failure(model(), error)
    assert (failed.status, failed.kind, failed.headers, failed.upstream_status) == (status, kind, headers, upstream)
    assert failed.stage == "run_inference"


async def test_what_it_raised_is_told_with_its_line() -> None:
    failed = await failure(model(), RAISED)
    assert str(failed) == "run_inference raised ValueError: no (run.py:3)"
    assert failed.log == "Traceback …"


async def test_an_adapters_faults() -> None:
    """Before the snippet it is ours, after it the snippet may have returned what no template expects."""
    before = await failure(model(Faulty("in")), lambda body: ANSWER)
    assert (before.status, before.kind, before.stage) == (500, "adapter_input_error", "process_input")
    assert str(before) == "process_input: a.yaml:3 UndefinedError: 'x' is undefined"
    after = await failure(model(Faulty("out")), lambda body: "what it returned")
    assert (after.status, after.kind, after.stage) == (502, "bad_snippet_output", "process_output")
    assert "what it returned" in after.log


async def test_a_result_that_is_not_canonical() -> None:
    failed = await failure(model(), lambda body: '{"error": "x"}')
    assert (failed.status, failed.kind, failed.stage) == (502, "bad_snippet_output", "result")
    assert "is not canonical: it has neither `choices` nor `items`, but 'error'" in str(failed)
    assert '{"error": "x"}' in failed.log


async def test_over_the_rate() -> None:
    """What was refused for its body does not count."""
    made = model(rate_limit=2)
    await begin(made, ToldRunner(lambda body: ANSWER))
    with pytest.raises(StageFailed):
        await send(made.handler.app, b"{", state={"request_id": "r"})
    for _ in range(2):
        await send(made.handler.app, CHAT, state={"request_id": "r"})
    failed = await failure(made, lambda body: ANSWER)
    assert (failed.status, failed.stage, str(failed)) == (
        429,
        "input",
        "over the definition's rate_limit of 2 a minute",
    )
    assert failed.headers is not None
    assert 58 <= int(failed.headers["Retry-After"]) <= 60


def test_the_window_slides() -> None:
    now = 0.0
    limit = RateLimit(2, lambda: now)
    assert [limit.retry_after(), limit.retry_after(), limit.retry_after()] == [None, None, 60]
    now = 59.5
    assert limit.retry_after() == 1
    now = 60.0
    assert [limit.retry_after(), limit.retry_after(), limit.retry_after()] == [None, None, 60]
    assert RateLimit(None).retry_after() is None


async def test_a_client_that_leaves_frees_its_place() -> None:
    made, began, cancelled = model(), asyncio.Event(), asyncio.Event()

    class Waiting(ToldRunner):
        async def run(self, body: str, *, request_id: str, sample: Any = None) -> str:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()
            raise AssertionError

    await begin(made, Waiting(lambda body: ANSWER))
    messages = iter([{"type": "http.request", "body": json.dumps(CHAT).encode()}])

    async def receive() -> Any:
        for message in messages:
            return message
        await began.wait()
        return {"type": "http.disconnect"}

    async def refuse(message: Any) -> None:
        raise AssertionError(message)

    with pytest.raises(ClientDisconnect):
        await made.handler.app(scope(state={"request_id": "r"}), receive, refuse)
    assert cancelled.is_set()


async def test_a_runner_that_does_not_start_is_stopped() -> None:
    made, runner = model(), ToldRunner(LoadFailed("run.py:1 failed to import"))
    with pytest.raises(LoadFailed):
        await begin(made, runner)
    assert (runner.stops, await made.is_healthy()) == (1, False)
    await made.stop()
    assert runner.stops == 1


async def test_it_is_as_healthy_as_its_runner() -> None:
    made, runner = model(), ToldRunner(lambda body: ANSWER)
    assert not await made.is_healthy()
    await begin(made, runner)
    assert await made.is_healthy()
    runner.is_healthy = False
    assert not await made.is_healthy()
    await made.stop()
    assert runner.stops == 1


def test_its_secrets_are_told_and_not_shown() -> None:
    made = model(secrets={"A": "hush"})
    assert list(made.secret_values) == ["hush"]
    assert "hush" not in repr(made.snippet)


def test_what_is_no_stage_of_it_is_not_explained() -> None:
    """It is a bug of Handrail's, and no error of the snippet's."""
    assert model().explain(KeyError("ours")) is None
