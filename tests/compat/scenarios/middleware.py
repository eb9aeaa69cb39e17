"""Middleware: which of several runs, in what order, for which routes; and what is wrong with it stops the start."""

from __future__ import annotations

from tests.compat.scenarios.formatters import NO_BODY
from tests.compat.scenarios.middleware_scripts import (
    ALL_DECORATED,
    ASGI_CLASSES,
    BY_REFERENCE,
    CALLABLE_IN_NO_WAY,
    FORMATTERS_AND_COMBINED,
    ONE_FORMATTER_EACH,
    SWITCHED,
    TRACKS_PING,
    TWO_FORMATTERS,
    TWO_THROTTLES,
    UNKNOWN_NAME,
    WRONG_ARITY,
)
from tests.compat.table import DEFAULT_CHAT, Scenario, chat, get, invoke, ping, post, refuses, script, serves

THROTTLE = "CUSTOM_FASTAPI_MIDDLEWARE_THROTTLE"
AROUND = "CUSTOM_FASTAPI_MIDDLEWARE_PRE_POST_PROCESS"
BEFORE, AFTER = "CUSTOM_PRE_PROCESS", "CUSTOM_POST_PROCESS"

APPLIED = {"X-Throttle": "applied", "X-Before": "applied", "X-After": "applied", "X-Order": "after,throttle,"}
SEPARATE = {THROTTLE: "model.py:throttle", BEFORE: "model.py:before", AFTER: "model.py:after"}
EVERYTHING = {**SEPARATE, AROUND: "model.py:around"}
BROKEN = {
    THROTTLE: "nonexistent.module:nonexistent_function",
    BEFORE: "model:befor",
    AFTER: "no_such_file.py:after",
    AROUND: "model:throttle",
}
MALFORMED = {THROTTLE: "throttle", AROUND: "/v1/around", BEFORE: "model:before:twice", AFTER: "model:"}
WRONG = {THROTTLE: "model:throttle", BEFORE: "model:before"}
NOT_AT_PING = "A rate limit that holds at /ping takes the endpoint out of service when it is busiest."
NOT_TOGETHER = "A pre- or post-processor in a variable silently drops the decorated other one."
FAILS_OPEN = (
    "Middleware that a variable names and that cannot be loaded is one line in the log, and the server serves without "
    "it: an authentication filter with a typo lets everything through."
)


def fails_open(name: str, variable: str, says: str) -> Scenario:
    return Scenario(
        name,
        mirrors="AWS suite: a variable's middleware that is invalid is passed over (there: meant so)",
        files=script(CALLABLE_IN_NO_WAY),
        environment=BROKEN,
        ours=refuses(3, variable, says),
        theirs=serves(ping(200), invoke(200, DEFAULT_CHAT)),
        fails=FAILS_OPEN,
    )


def malformed(variable: str) -> Scenario:
    return Scenario(
        f"a malformed reference in {variable}",
        mirrors="AWS library: references of middleware that its grammar does not take",
        files=script(CALLABLE_IN_NO_WAY),
        environment=MALFORMED,
        ours=refuses(2, f"{variable} is {MALFORMED[variable]!r}", "model:function"),
        theirs=serves(ping(200), invoke(200, DEFAULT_CHAT)),
        fails=FAILS_OPEN,
    )


SCENARIOS = (
    Scenario(
        "decorated throttle and formatters, for /v1 and /invocations",
        mirrors="vLLM suite: a customer's middleware on a real server; AWS suite: middleware is found, and its order",
        files=script(ALL_DECORATED),
        ours=serves(chat(200, DEFAULT_CHAT, headers=APPLIED), invoke(200, DEFAULT_CHAT, headers=APPLIED)),
        on_vllm=True,
    ),
    Scenario(
        "an output formatter edits the engine's own answer",
        mirrors="AWS container guide on pre- and post-processing: metadata added to the answer",
        files=script(ALL_DECORATED),
        ours=serves(chat(200, {**DEFAULT_CHAT, "processed": True}), invoke(200, {**DEFAULT_CHAT, "processed": True})),
        theirs=serves(chat(200, DEFAULT_CHAT, without="processed"), invoke(200, DEFAULT_CHAT, without="processed")),
        fails=NO_BODY,
    ),
    Scenario(
        "at /ping there are formatters, and no throttle",
        mirrors="AWS library: middleware runs on every route",
        files=script(ALL_DECORATED),
        ours=serves(ping(200, headers={"X-Before": "applied", "X-After": "applied"}, absent=("X-Throttle",))),
        theirs=serves(ping(200, headers=APPLIED)),
        reason=NOT_AT_PING,
    ),
    Scenario(
        "at /metrics there is neither",
        mirrors="AWS library: middleware runs on every route; the guide tells users to look at the path themselves",
        files=script(ALL_DECORATED),
        ours=serves(get("/metrics", 200, absent=("X-Throttle", "X-After"))),
        theirs=serves(get("/metrics", 200, headers={"X-Throttle": "applied", "X-After": "applied"})),
        reason="Metrics are the operator's, not part of the conversation that users filter.",
    ),
    Scenario(
        "pre_post_process around /ping",
        mirrors="vLLM suite: middleware with the ping endpoint",
        files=script(TRACKS_PING),
        ours=serves(ping(200, headers={"X-Ping-Tracked": "true"}), invoke(200, absent=("X-Ping-Tracked",))),
        on_vllm=True,
    ),
    Scenario(
        "throttle, pre- and post-processor from the environment",
        mirrors="vLLM suite: middleware by variables; AWS suite: a throttle, separate functions that are combined",
        files=script(BY_REFERENCE.replace('@custom_middleware("pre_post_process")\n', "")),
        environment=SEPARATE,
        ours=serves(
            invoke(200, DEFAULT_CHAT, headers={"X-Throttle": "environment", "X-After": "after True"}),
            ping(200, headers={"X-After": "after True"}, absent=("X-Throttle",)),
        ),
        theirs=serves(
            invoke(200, DEFAULT_CHAT, headers={"X-Throttle": "environment", "X-After": "after True"}),
            ping(200, headers={"X-After": "after True", "X-Throttle": "environment"}),
        ),
        reason=NOT_AT_PING,
    ),
    Scenario(
        "the environment's middleware goes before the decorated one",
        mirrors="AWS suite: variables over decorators; a throttle and a combined one, both by variables",
        files=script(BY_REFERENCE),
        environment=EVERYTHING,
        ours=serves(invoke(200, headers={"X-Throttle": "environment", "X-Around": "environment"})),
    ),
    Scenario(
        "a combined one goes before separate ones, in the environment",
        mirrors="AWS suite: the combined variable over the separate ones",
        files=script(BY_REFERENCE),
        environment=EVERYTHING,
        ours=serves(invoke(200, headers={"X-Around": "environment"}, absent=("X-After",))),
    ),
    Scenario(
        "a combined one goes before formatters, decorated",
        mirrors="AWS library: a decorated pre_post_process over formatters",
        files=script(FORMATTERS_AND_COMBINED),
        ours=serves(invoke(200, headers={"X-Around": "combined"}, absent=("X-After",))),
    ),
    Scenario(
        "the environment's pre-processor with the decorated post-processor",
        mirrors="AWS library: one from a variable, the other from a decorator",
        files=script(ONE_FORMATTER_EACH),
        environment={BEFORE: "model:before"},
        ours=serves(invoke(200, headers={"X-Ran": "before,decorated after"})),
        theirs=serves(invoke(200, absent=("X-Ran",))),
        fails=NOT_TOGETHER,
    ),
    Scenario(
        "the decorated pre-processor with the environment's post-processor",
        mirrors="AWS library: one from a variable, the other from a decorator",
        files=script(ONE_FORMATTER_EACH),
        environment={AFTER: "model:after"},
        ours=serves(invoke(200, headers={"X-Ran": "decorated before,after"})),
        theirs=serves(invoke(200, headers={"X-Ran": "after"})),
        fails=NOT_TOGETHER,
    ),
    Scenario(
        "throttle, then pre_post_process, then the handler",
        mirrors="AWS suite: order of the way in",
        files=script(SWITCHED),
        ours=serves(invoke(200, {"trail": ["throttle", "around", "handler"]})),
    ),
    Scenario(
        "a throttle answers 429",
        mirrors="AWS library: a throttle that does not call on",
        files=script(SWITCHED),
        ours=serves(
            post("/invocations?throttle=answers", {}, 429, {"by": "throttle"}, headers={"Retry-After": "7"}),
            post("/v1/chat/completions?throttle=answers", {}, 429, {"by": "throttle"}),
        ),
    ),
    Scenario(
        "a throttle raises HTTPException(429)",
        mirrors="AWS library: an exception in a throttle",
        files=script(SWITCHED),
        ours=serves(post("/invocations?throttle=raises", {}, 429, {"error": {"message": "slow down"}})),
        theirs=serves(post("/invocations?throttle=raises", {}, 500)),
        fails="An `HTTPException` in a middleware is a 500.",
    ),
    Scenario(
        "a throttle that is full leaves /ping alone",
        mirrors="AWS library: middleware runs on every route",
        files=script(SWITCHED),
        ours=serves(get("/ping?throttle=answers", 200)),
        theirs=serves(get("/ping?throttle=answers", 429)),
        reason=NOT_AT_PING,
    ),
    Scenario(
        "a middleware sees the handler's HTTPException as a response",
        mirrors="AWS library: the server's own exception handlers are inside",
        files=script(SWITCHED),
        ours=serves(post("/invocations?handler=refuses", {}, 404, headers={"X-Status": "404"})),
    ),
    Scenario(
        "a middleware that breaks",
        mirrors="AWS library: an exception in a middleware",
        files=script(SWITCHED),
        ours=serves(post("/invocations?around=breaks", {}, 500, text="around raised RuntimeError")),
        theirs=serves(post("/invocations?around=breaks", {}, 500, text="Internal Server Error")),
        reason="The answer says which function broke, and where.",
    ),
    Scenario(
        "a middleware gathers the pieces of the body",
        mirrors="AWS container guide: response.body_iterator",
        files=script(SWITCHED),
        ours=serves(post("/invocations?around=gathers", {}, 200, {"by": "gathered"})),
    ),
    Scenario(
        "ASGI classes, decorated and from the environment",
        mirrors="AWS library: a class is middleware of its own",
        files=script(ASGI_CLASSES),
        environment={AROUND: "model:AddsHeader"},
        ours=serves(
            invoke(200, DEFAULT_CHAT, headers={"X-Throttle": "class", "X-Around": "class"}),
            chat(200, DEFAULT_CHAT, headers={"X-Throttle": "class", "X-Around": "class"}),
        ),
    ),
    fails_open("a throttle of a module that is not there", THROTTLE, "nonexistent"),
    fails_open("a pre-processor that is not in the script", BEFORE, "befor"),
    fails_open("a post-processor of a file that is not there", AFTER, "no_such_file.py"),
    fails_open("middleware that is None", AROUND, "None"),
    *(malformed(variable) for variable in MALFORMED),
    Scenario(
        "a middleware that takes the wrong arguments",
        mirrors="AWS library: signatures are not looked at",
        files=script(WRONG_ARITY),
        environment=WRONG,
        ours=refuses(3, "throttle", "before", "f(request, call_next)", "f(request)"),
        theirs=serves(ping(500), invoke(500)),
        reason="It would fail at every request; the start says so, and shows the form.",
    ),
    Scenario(
        "two throttles",
        mirrors="AWS library: each kind can be registered once",
        files=script(TWO_THROTTLES),
        ours=refuses(3, "first", "second", "model.py:5", "model.py:9"),
    ),
    Scenario(
        "two input formatters",
        mirrors="AWS library: only one input formatter",
        files=script(TWO_FORMATTERS),
        ours=refuses(3, "first", "second", "model.py:5", "model.py:9"),
    ),
    Scenario(
        "a kind of middleware that is not known",
        mirrors="AWS library: names of middleware",
        files=script(UNKNOWN_NAME),
        ours=refuses(3, "throtle", "throttle", "pre_post_process"),
    ),
)
