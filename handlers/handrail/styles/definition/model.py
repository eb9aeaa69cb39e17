"""A definition as the server sees it: found, checked, started, and asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail.core.calling import Handler
from handrail.core.presence import unless_left
from handrail.core.signature import Signature
from handrail.core.threads import run_in_threadpool
from handrail.styles.definition import canonical, stages
from handrail.styles.definition.adapter import Adapter, AdapterFailed, ModelInfo
from handrail.styles.definition.limits import RateLimit
from handrail.styles.definition.runner import RunFailed, Runner
from handrail.styles.definition.schema import Definition, Task
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.stages import Observe, Stage, StageFailed
from handrail.styles.definition.text import from_json, to_json


class DefinedModel:
    """`handler` answers /invocations once `start` has returned, and raises StageFailed."""

    def __init__(self, definition: Definition, adapter: Adapter, snippet: Snippet, signature: Signature) -> None:
        self.definition = definition
        self.adapter = adapter
        self.snippet = snippet
        self.signature = signature
        self.handler = Handler(self.run_inference, signature, self.run_inference)
        self._limit = RateLimit(definition.rate_limit)
        self._info: ModelInfo = {"model_key": definition.key, "modality": "text", "task": definition.task.value}
        self._runner: Runner | None = None

    async def start(self, runner: Runner) -> None:
        """Have `runner` run the snippet. Raises LoadFailed."""
        try:
            await runner.start()
        except BaseException:  # also where the server is told to stop meanwhile
            await runner.stop()
            raise
        self._runner = runner

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.stop()

    @property
    def is_healthy(self) -> bool:
        return self._runner is not None and self._runner.is_healthy

    @property
    def secret_values(self) -> Iterator[str]:
        """What must appear in no log, answer or report."""
        return self.definition.secret_values

    async def run_inference(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the snippet, by way of the adapter, what a request asks."""
        assert self._runner is not None, "it has been started"
        request, observe = Request(scope, receive, send), stages.observer(scope)
        value = self._read(await request.body())
        wait = self._limit.retry_after()
        if wait is not None:
            raise stages.over_rate(self.definition.rate_limit, wait)
        body = await run_in_threadpool(self._to_body, value)
        observe(Stage.PROCESS_INPUT, body)
        try:
            output = await unless_left(request, self._runner.run(body, request_id=str(scope["state"]["request_id"])))
        except RunFailed as error:
            raise stages.run_failed(error) from error
        observe(Stage.RUN, output)
        response = await run_in_threadpool(self._to_response, output, observe)
        await response(scope, receive, send)

    def _read(self, body: bytes) -> Any:
        try:
            value = from_json(body)
        except (ValueError, RecursionError) as error:
            raise stages.bad_input(f"the body is not JSON: {error}") from None
        try:
            canonical.check_input(self.definition.task, value)
        except canonical.NotCanonical as error:
            raise stages.bad_input(str(error)) from None
        return value

    def _to_body(self, value: Any) -> str:
        kwargs: Mapping[str, Any] = canonical.kwargs_of(self.definition.task, value)
        try:
            return self.adapter.process_input(value, kwargs, self._info)
        except AdapterFailed as error:
            raise StageFailed(Stage.PROCESS_INPUT, 500, f"process_input: {error}", "adapter_input_error") from None

    def _to_response(self, output: str, observe: Observe) -> Response:
        try:
            text = self.adapter.process_output(output, _STATUS, self._info)
        except AdapterFailed as error:
            raise stages.bad_output(Stage.PROCESS_OUTPUT, f"process_output: {error}", output) from None
        observe(Stage.PROCESS_OUTPUT, text)
        if self.definition.task is Task.CUSTOM:
            return _any_response(text)
        try:
            value = canonical.read_output(self.definition.task, text)
        except canonical.NotCanonical as error:
            message = f"what run_inference gave, through {self.adapter.key}, is not canonical: {error}"
            raise stages.bad_output(Stage.RESULT, message, text) from None
        return Response(to_json(value), media_type="application/json")


#: What `process_output` is told: a snippet has no HTTP status, and guides compare it to this one.
_STATUS = 200


def _any_response(text: str) -> Response:
    """`text` as it is, named for what it is."""
    try:
        from_json(text)
    except (ValueError, RecursionError):
        return Response(text, media_type="text/plain")
    return Response(text, media_type="application/json")
