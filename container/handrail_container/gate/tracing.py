"""OpenTelemetry spans: one for each request that is meant for a handler, and one below it for each call of the engine.

The only module that imports opentelemetry, which reads its own variables; imported only if an OTLP endpoint is set.
The provider is not installed globally: a script may have its own, whose spans join ours through their context.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from handrail_container.engine.token_usage import tokens_used
from handrail_container.gate.exchange import Exchange
from handrail_container.gate.metrics import outcome
from handrail_container.process.threads import in_thread

#: Seconds that the exit waits for the spans' collector.
_FLUSH_S = 2.0
_SPAN = "handrail_span"
_ERRORS = ("handler_error", "timeout")
_NAMES = (b"traceparent", b"tracestate")


class Tracing:
    """The spans of requests, from admission to the end, and of calls of the engine."""

    def __init__(self) -> None:
        resource = Resource.create({"service.name": "handrail"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("handrail")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange) -> None:
        """Start a request's span, current in the request's task from now on. The client's span is its parent.

        The span is also put into the request's headers, where vLLM's routes look for it.
        """
        given = {name.decode(): exchange.headers[name].decode("latin-1") for name in _NAMES if name in exchange.headers}
        parent = self._propagator.extract(given, context.Context())
        attributes = {"handrail.handler": exchange.handler, "handrail.request_id": exchange.request_id}
        span = self._tracer.start_span(_name(exchange), parent, SpanKind.SERVER, attributes)
        exchange.scope["state"][_SPAN] = span
        context.attach(set_span_in_context(span, parent))
        headers = [pair for pair in exchange.scope["headers"] if pair[0] not in _NAMES]
        exchange.scope["headers"] = [*headers, *self.headers()]

    def end(self, exchange: Exchange) -> None:
        """End a request's span, if it has one."""
        span: Span | None = exchange.scope["state"].get(_SPAN)
        if span is None:
            return
        span.update_name(_name(exchange))  # the route is known by now
        span.set_attribute("http.request.method", exchange.scope["method"])
        span.set_attribute("http.route", exchange.route)
        span.set_attribute("http.response.status_code", exchange.status)
        if tokens := tokens_used(exchange.scope["state"]):
            span.set_attribute("gen_ai.usage.input_tokens", tokens[0])
            span.set_attribute("gen_ai.usage.output_tokens", tokens[1])
        span.set_attribute("handrail.outcome", ended := outcome(exchange))
        if ended in _ERRORS:
            span.set_status(StatusCode.ERROR)
        span.end()

    def call(self, operation: str, request_id: str) -> EngineSpan:
        """The span of a call of the engine that begins now."""
        return EngineSpan(self._tracer, operation, request_id)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that tell another process which span is current."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return [(name.encode(), value.encode()) for name, value in carrier.items()]

    async def close(self) -> None:
        """Send all remaining spans, also those of vLLM's or the script's provider, for at most _FLUSH_S seconds."""
        theirs = trace.get_tracer_provider()
        providers = [self._provider, theirs] if isinstance(theirs, TracerProvider) else [self._provider]
        with suppress(TimeoutError):
            closing = asyncio.gather(*(in_thread(provider.shutdown, "spans") for provider in providers))
            await asyncio.wait_for(closing, _FLUSH_S)


class EngineSpan:
    """A context manager. The span is current within it, and ends with `end` or with an exception raised within."""

    def __init__(self, tracer: Tracer, operation: str, request_id: str) -> None:
        attributes = {"handrail.engine_request_id": request_id}
        self._span = tracer.start_span(f"engine {operation}", kind=SpanKind.CLIENT, attributes=attributes)
        self._token: Any = None

    def __enter__(self) -> EngineSpan:
        self._token = context.attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        context.detach(self._token)
        if error is not None:
            self.end(error if isinstance(error, Exception) else None)  # else the client has left

    def end(self, error: Exception | None = None) -> None:
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self._span.end()


def _name(exchange: Exchange) -> str:
    return f"{exchange.scope['method']} {exchange.route}"
