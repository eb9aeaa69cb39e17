"""The default handlers, which answer where a script does not."""

from __future__ import annotations

from tests.compat.scenarios.ladder import PING_ONLY
from tests.compat.table import (
    CHAT,
    COMPLETION,
    DEFAULT_CHAT,
    DEFAULT_COMPLETION,
    Answer,
    Ask,
    Scenario,
    invoke,
    ping,
    post,
    raw,
    script,
    serves,
)

SCENARIOS = (
    Scenario(
        "the default takes a chat or a completion, by the payload",
        mirrors="vLLM: /invocations tries each kind of request",
        files=script(PING_ONLY),
        ours=serves(invoke(200, DEFAULT_CHAT, sent=CHAT), invoke(200, DEFAULT_COMPLETION, sent=COMPLETION)),
        on_vllm=True,
    ),
    Scenario(
        "the default refuses what is no JSON, or of no known kind",
        mirrors="vLLM and AWS suite (the server's own routes): bad JSON, wrong content type, no suitable kind",
        files=script(PING_ONLY),
        ours=serves(
            raw(b"{", "application/json", 400),
            raw(b'{"prompt": "Hello"}', "text/plain", 400),
            invoke(400, sent={"neither": "one nor the other"}),
        ),
    ),
    Scenario(
        "the default refuses a body that is no object",
        mirrors="AWS library: its decorators on the default route, and a JSON array",
        files=script(PING_ONLY),
        ours=serves(invoke(400, sent=["Hello"], text="/invocations takes")),
        theirs=serves(invoke(500, sent=["Hello"])),
        fails="A JSON array sent to the default `/invocations` is a 500.",
    ),
    Scenario(
        "the default hears which model the client asks for",
        mirrors="AWS library: its adapter decorator on the default route, where no adapter is asked for",
        files=script(PING_ONLY),
        ours=serves(invoke(200, {"model": "mine"}, sent={**CHAT, "model": "mine"})),
        theirs=serves(invoke(200, {"model": None}, sent={**CHAT, "model": "mine"})),
        fails="The default `/invocations` loses the `model` of a request without an adapter header: it becomes null.",
    ),
    Scenario(
        "a body without a content type is taken for JSON",
        mirrors="SageMaker: a client need not name a content type",
        files=script(PING_ONLY),
        ours=serves(raw(b'{"prompt": "Hello"}', None, 200, DEFAULT_COMPLETION)),
        theirs=serves(raw(b'{"prompt": "Hello"}', None, 400)),
        reason="SageMaker's clients need not name a type; a type that is not JSON is refused by both.",
    ),
    Scenario(
        "the default ping answers GET, POST and HEAD",
        mirrors="vLLM: /ping takes GET and POST; SageMaker's contract asks for both",
        files={},
        ours=serves(ping(200), post("/ping", {}, 200), (Ask("HEAD", "/ping"), Answer(200))),
        theirs=serves(ping(200), post("/ping", {}, 200), (Ask("HEAD", "/ping"), Answer(405))),
        reason="A load balancer may probe with HEAD.",
    ),
)
