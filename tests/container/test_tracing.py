"""Spans, as a collector gets them that speaks OTLP over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from handrail_container.process import extras
from handrail_container.server.composition import open_tracing
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import SCRIPTS, Served, environment, eventually

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
CHAT = {"messages": [{"role": "user", "content": "one two three"}]}


class Collector:
    """What it was sent: spans in the order of their end, and the attributes of who sent them."""

    def __init__(self, patience: threading.Event) -> None:
        trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        self.spans: list[Any] = []
        self.senders: list[dict[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                patience.wait()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for told in trace_service.ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.senders.append(attributes(told.resource))
                    collector.spans += [span for scope in told.scope_spans for span in scope.spans]
                with suppress(OSError):
                    self.send_response(200)
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span


def attributes(told: Any) -> dict[str, Any]:
    values = {pair.key: pair.value for pair in told.attributes}
    return {key: value.string_value or value.int_value for key, value in values.items()}


@pytest.fixture
def patience() -> threading.Event:
    """Clear it, and the collector takes what it is sent without ever answering."""
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def collector(patience: threading.Event) -> Iterator[Collector]:
    collector = Collector(patience)
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    patience.set()
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def traced(launch: Launch, collector: Collector, script: str, **given: str) -> Served:
    exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000", **given}
    return launch(SCRIPTS, CUSTOM_SCRIPT_FILENAME=script, **exporting).ready()


def test_a_call_of_the_engine_is_below_its_handler_and_that_below_the_client(
    launch: Launch, collector: Collector
) -> None:
    """Names, parents, attributes; sent at the exit at the latest, and none for `/ping`."""
    served = traced(launch, collector, "engine_parameter.py")
    headers = {"traceparent": TRACEPARENT, "X-Request-Id": "mine"}
    assert served.http.post("/invocations", json={"prompt": "one two"}, headers=headers).status_code == 200
    served.signal()
    assert served.exit_code() == 0
    request, call = collector.named("POST /invocations"), collector.named("engine completions")
    assert len(collector.spans) == 2
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
    assert attributes(request) == {
        "handrail.handler": "custom_sagemaker_invocation_handler",
        "handrail.request_id": "mine",
        "handrail.outcome": "ok",
        "http.request.method": "POST",
        "http.route": "/invocations",
        "http.response.status_code": 200,
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 2,
    }
    assert attributes(call)["handrail.engine_request_id"].startswith("mine-")
    assert collector.senders[0]["service.name"] == "handrail"
    assert call.start_time_unix_nano >= request.start_time_unix_nano
    assert call.end_time_unix_nano <= request.end_time_unix_nano


def test_a_streams_call_ends_with_its_last_event(launch: Launch, collector: Collector) -> None:
    """Not with the first; OpenTelemetry's own variables hold."""
    given = {"HANDRAIL_ECHO_ITL_MS": "50", "OTEL_SERVICE_NAME": "theirs"}
    served = traced(launch, collector, "engine_parameter.py", **given)
    assert served.http.post("/invocations", json={"prompt": "a b c d e", "stream": True}).status_code == 200
    served.stop()
    call = collector.named("engine completions")
    assert call.end_time_unix_nano - call.start_time_unix_nano >= 4 * 50e6
    assert collector.senders[0]["service.name"] == "theirs"


def test_what_fails_is_an_error(launch: Launch, collector: Collector) -> None:
    """Of the engine, which says what it was; and of the handler, which raises it."""
    served = traced(launch, collector, "engine_parameter.py")
    assert served.http.post("/invocations", json={"prompt": "a", "stream": {}}).status_code == 400
    assert served.http.post("/invocations", content='"no object"').status_code == 500
    served.stop()
    error = 2
    call = collector.named("engine completions")
    assert (call.status.code, call.status.message[:18]) == (error, "HTTPException: 400")
    codes = {attributes(span)["http.response.status_code"]: span.status.code for span in collector.spans[1:]}
    assert codes == {400: 0, 500: error}


def test_the_engines_own_route_hands_on_our_span(launch: Launch, collector: Collector) -> None:
    """In the headers, where vLLM looks; under the route's own name."""
    served = traced(launch, collector, "no_handlers.py")
    assert served.http.post("/v1/chat/completions", json=CHAT, headers={"traceparent": TRACEPARENT}).status_code == 200
    served.stop()
    request = collector.named("POST /v1/chat/completions")
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request)["handrail.handler"] == "engine"


def test_a_collector_that_hangs_holds_up_no_exit(
    launch: Launch, collector: Collector, patience: threading.Event
) -> None:
    """For more than two seconds."""
    served = traced(launch, collector, "no_handlers.py")
    assert served.http.post("/v1/chat/completions", json=CHAT).status_code == 200
    patience.clear()
    served.signal()
    with suppress(subprocess.TimeoutExpired):
        served.process.wait(10)
    assert served.process.poll() == 0


ENDS_ITSELF = """
import os, signal
from handrail import on_startup

@on_startup
def stop():
    os.kill(os.getpid(), signal.SIGTERM)
"""

SEEN = """
import asyncio, json, os, sys
from handrail_container.server import server
exit = os._exit
def say_what_was_imported(code):
    seen = json.dumps([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
    os.write(1, seen.encode())  # nothing is written any more by what `serve` has made of standard output
    exit(code)
os._exit = say_what_was_imported
from handrail_container.cli import main
main()
"""


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_opentelemetry_is_imported_where_it_is_asked_for(endpoint: str, tmp_path: Path) -> None:
    """And nowhere else, but for its API, which the newest FastAPI imports; a collector that is not there is no reason
    not to serve."""
    (tmp_path / "model.py").write_text(ENDS_ITSELF)
    command = [sys.executable, "-c", SEEN, "serve", str(tmp_path), "--engine", "echo", "--port", "0"]
    given = environment({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    run = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert bool(json.loads(run.stdout.splitlines()[-1])) is bool(endpoint)


def test_where_it_is_missing_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One, with what to install; and there are no spans."""
    monkeypatch.delitem(sys.modules, "handrail_container.gate.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert open_tracing(Settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector")) is None
    (warning,) = caplog.messages
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set" in warning
    assert warning.endswith(extras.command("otel"))


def test_the_headers_of_the_engine_s_routes_are_ours(launch: Launch, collector: Collector) -> None:
    """A handler sees them as well: what it sends on makes the chain whole."""
    served = traced(launch, collector, "says_its_headers.py")
    told = served.http.post("/invocations", headers={"traceparent": TRACEPARENT, "tracestate": "a=b"}).json()
    served.stop()
    eventually(lambda: collector.spans, "a span")
    span = collector.named("POST /invocations")
    assert told == {"traceparent": f"00-{TRACE}-{span.span_id.hex()}-01", "tracestate": "a=b"}
