"""A definition as a whole model of the server: checked, started, called and explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handrail.core.calling import Handler
from handrail.core.presence import unless_left
from handrail.core.signature import Signature
from handrail.core.slots import Slot
from handrail.core.threads import run_in_threadpool
from handrail.core.whole_model import Problem, Start, WholeModel
from handrail.styles.definition import canonical, checked, stages
from handrail.styles.definition.adapter import Adapter, AdapterFailed, ModelInfo
from handrail.styles.definition.limits import RateLimit
from handrail.styles.definition.runner import RunFailed, Runner
from handrail.styles.definition.schema import Definition, Task
from handrail.styles.definition.snippet import Snippet
from handrail.styles.definition.stages import Observe, Stage, StageFailed
from handrail.styles.definition.text import from_json, to_json

if TYPE_CHECKING:
    from handrail.core.contract import Contract


class DefinedModel(WholeModel):
    """`handler` answers /invocations once `start` has returned, and raises StageFailed. `open_runner` makes the runner
    of the snippet; its second argument is the URL at which the snippet reaches the engine."""

    title, stage = "definition", "workers"
    loading = "the definition's workers are starting"
    unhealthy = "the workers of run_inference end as soon as they are started; the log says why"
    is_elsewhere = True

    def __init__(
        self,
        definition: Definition,
        adapter: Adapter,
        snippet: Snippet,
        signature: Signature,
        open_runner: Callable[[Snippet, str], Runner],
    ) -> None:
        self.definition = definition
        self.adapter = adapter
        self.snippet = snippet
        self.signature = signature
        self.handler = Handler(self.run_inference, signature, self.run_inference)
        self._limit = RateLimit(definition.rate_limit)
        self._info: ModelInfo = {"model_key": definition.key, "modality": "text", "task": definition.task.value}
        self.handlers = {Slot.INVOCATION: self.handler}
        self.open_runner = open_runner
        self._runner: Runner | None = None

    async def start(self, start: Start) -> None:
        """Start the snippet's runner. Raises LoadFailed."""
        runner = self.open_runner(self.snippet, start.engine_url)
        try:
            await runner.start()
        except BaseException:  # also if the server is stopped meanwhile
            await runner.stop()
            raise
        self._runner = runner

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.stop()

    async def is_healthy(self, *, is_fresh: bool = False) -> bool:
        return self._runner is not None and self._runner.is_healthy

    def explain(self, error: BaseException) -> Problem | None:
        if not isinstance(error, StageFailed):
            return None
        more: dict[str, str | int] = {"stage": error.stage.value}
        if error.upstream_status is not None:
            more["upstream_status"] = error.upstream_status
        return Problem(error.status, str(error), error.kind, error.headers, more, error.log)

    def contract(self) -> Contract:
        from handrail.styles.definition.described import contract_of_task  # imports FastAPI's OpenAPI, rarely needed

        return contract_of_task(self.definition.task)

    def rows(self) -> list[str]:
        return list(checked.rows(self))

    def data(self) -> dict[str, Any]:
        return checked.data(self)

    @property
    def secret_values(self) -> Iterator[str]:
        """Values that must not appear in any log, answer or report."""
        return self.definition.secret_values

    async def run_inference(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by the snippet, through the adapter. Raises StageFailed."""
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


#: Status passed to `process_output`: a snippet has no HTTP status, and adapters in guides compare with 200.
_STATUS = 200


def _any_response(text: str) -> Response:
    """`text` unchanged, as application/json if it is JSON, else as text/plain."""
    try:
        from_json(text)
    except (ValueError, RecursionError):
        return Response(text, media_type="text/plain")
    return Response(text, media_type="application/json")
