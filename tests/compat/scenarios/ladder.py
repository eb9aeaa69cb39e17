"""Who answers: the environment, a decorator, a name, the default."""

from __future__ import annotations

from tests.compat.table import (
    CHAT,
    COMPLETION,
    DEFAULT_CHAT,
    DEFAULT_COMPLETION,
    Answer,
    Ask,
    Scenario,
    chat,
    get,
    invoke,
    ping,
    post,
    raw,
    refuses,
    script,
    serves,
)

NAMED = """
from fastapi import Request

async def custom_sagemaker_ping_handler():
    return {"status": "healthy", "by": "name"}

async def custom_sagemaker_invocation_handler(request: Request):
    return {"predictions": ["custom"], "by": "name"}
"""

DECORATED = """
import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Request

@sagemaker_standards.custom_ping_handler
async def my_ping():
    return {"by": "decorator"}

@sagemaker_standards.custom_invocation_handler
async def my_invoke(request: Request):
    return {"by": "decorator"}
"""

EVERY_RUNG = """
import json
import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Request, Response

def as_json(value):
    return Response(json.dumps(value), media_type="application/json")

async def named_in_env_ping(raw_request: Request) -> Response:
    return as_json({"by": "environment"})

async def named_in_env_invoke(raw_request: Request) -> Response:
    return as_json({"by": "environment"})

@sagemaker_standards.custom_ping_handler
async def decorated_ping(raw_request: Request) -> Response:
    return as_json({"by": "decorator"})

@sagemaker_standards.custom_invocation_handler
async def decorated_invoke(raw_request: Request) -> Response:
    return as_json({"by": "decorator"})

async def custom_sagemaker_ping_handler():
    return {"by": "name"}

async def custom_sagemaker_invocation_handler(request: Request):
    return {"by": "name"}
"""

MIXED = """
import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Request

@sagemaker_standards.custom_ping_handler
async def decorated_ping():
    return {"by": "decorator"}

async def custom_sagemaker_ping_handler():
    return {"by": "name"}

async def custom_sagemaker_invocation_handler(request: Request):
    return {"by": "name"}
"""

DECORATED_INVOCATION_NAMED_PING = """
import model_hosting_container_standards.sagemaker as sagemaker_standards
from fastapi import Request

@sagemaker_standards.custom_invocation_handler
async def invoke(request: Request):
    return {"by": "decorator"}

async def custom_sagemaker_ping_handler():
    return {"by": "name"}
"""

PING_ONLY = """
async def custom_sagemaker_ping_handler():
    return {"by": "name"}
"""

TWO_PINGS = """
from model_hosting_container_standards.sagemaker import custom_ping_handler

@custom_ping_handler
async def first():
    return {"by": "first"}

@custom_ping_handler
async def second():
    return {"by": "second"}
"""

DECORATES_PING_ELSEWHERE = """
from fastapi import Request
from model_hosting_container_standards.sagemaker import custom_ping_handler

@custom_ping_handler
async def ping():
    return {"by": "decorator in another file"}

async def invoke(request: Request):
    return {"by": "environment"}
"""

NEAR_MISS = """
async def custom_sagemaker_invocations_handler():
    return {"by": "a name with one letter too many"}
"""

ALL_FOUR_EMPTY = {
    "SAGEMAKER_MODEL_PATH": "",
    "CUSTOM_SCRIPT_FILENAME": "",
    "CUSTOM_FASTAPI_PING_HANDLER": "",
    "CUSTOM_FASTAPI_INVOCATION_HANDLER": "",
}
BOTH_BY_ENVIRONMENT = {
    "CUSTOM_FASTAPI_PING_HANDLER": "model.py:named_in_env_ping",
    "CUSTOM_FASTAPI_INVOCATION_HANDLER": "model.py:named_in_env_invoke",
}


def by(rung: str) -> dict[str, str]:
    return {"by": rung}


SCENARIOS = (
    Scenario(
        "functions of the agreed names answer",
        mirrors="vLLM and AWS suites: a script's functions take the place of the defaults",
        files=script(NAMED),
        ours=serves(
            ping(200, {"status": "healthy", **by("name")}), invoke(200, {"predictions": ["custom"], **by("name")})
        ),
        on_vllm=True,
    ),
    Scenario(
        "a custom invocation leaves /v1/chat/completions alone",
        mirrors="AWS library: only /ping and /invocations are routes of the user's",
        files=script(NAMED),
        ours=serves(chat(200, DEFAULT_CHAT)),
    ),
    Scenario(
        "decorated functions answer",
        mirrors="vLLM and AWS suites: use of the two decorators",
        files=script(DECORATED),
        ours=serves(ping(200, by("decorator")), invoke(200, by("decorator"))),
        on_vllm=True,
    ),
    Scenario(
        "a decorator goes before a name, for each slot by itself",
        mirrors="vLLM suite: order of priority; AWS suite: understanding priority, registered against named",
        files=script(MIXED),
        ours=serves(ping(200, by("decorator")), invoke(200, by("name"))),
    ),
    Scenario(
        "a decorated invocation beside a named ping",
        mirrors="AWS suite: decorators seen in the server's answers; environment over decorators",
        files=script(DECORATED_INVOCATION_NAMED_PING),
        ours=serves(ping(200, by("name")), invoke(200, by("decorator"))),
    ),
    Scenario(
        "the environment goes before decorator and name",
        mirrors="vLLM suite: environment over decorator and script, handlers named by variables; AWS suite: variables",
        files=script(EVERY_RUNG),
        environment=BOTH_BY_ENVIRONMENT,
        ours=serves(ping(200, by("environment")), invoke(200, by("environment"))),
        on_vllm=True,
    ),
    Scenario(
        "an empty variable is an unset one",
        mirrors="vLLM suite: defaults with all four variables set to nothing",
        files={},
        environment=ALL_FOUR_EMPTY,
        ours=serves(ping(200), invoke(200, DEFAULT_CHAT)),
    ),
    Scenario(
        "without a custom invocation the default answers it",
        mirrors="AWS library: no override leaves the server's own route",
        files=script(PING_ONLY),
        ours=serves(ping(200, by("name")), invoke(200, DEFAULT_CHAT)),
    ),
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
    Scenario(
        "a custom ping answers every method of /ping",
        mirrors="AWS library: a custom ping replaces the route",
        files=script(PING_ONLY),
        ours=serves(ping(200, by("name")), post("/ping", {}, 200, by("name")), (Ask("HEAD", "/ping"), Answer(200))),
        theirs=serves(ping(200, by("name")), post("/ping", {}, 200, text=""), (Ask("HEAD", "/ping"), Answer(405))),
        fails="A custom ping answers GET alone: POST still gets the default, so a sick handler looks healthy to it.",
    ),
    Scenario(
        "a custom invocation takes any content type",
        mirrors="AWS library: a custom handler drops the default's check of the content type",
        files=script("async def custom_sagemaker_invocation_handler():\n    return 'taken'\n"),
        ours=serves(raw(b"plain", "text/plain", 200, "taken"), get("/invocations", 405)),
    ),
    Scenario(
        "two decorated functions for one slot",
        mirrors="AWS library: registering twice",
        files=script(TWO_PINGS),
        ours=refuses(3, "first", "second", "model.py:5", "model.py:9", "CUSTOM_FASTAPI_PING_HANDLER=model:first"),
        theirs=serves(ping(200, by("second"))),
        reason="Which of two was meant is not ours to guess: the start names both, and the setting that chooses.",
    ),
    Scenario(
        "a name that is almost the agreed one",
        mirrors="AWS library: discovery by name",
        files=script(NEAR_MISS),
        ours=serves(invoke(200, DEFAULT_CHAT), says=("did you mean custom_sagemaker_invocation_handler?",)),
        theirs=serves(invoke(200, DEFAULT_CHAT)),
        reason="Both serve the default; only ours says so, and names the near miss.",
    ),
    Scenario(
        "an agreed name that is None",
        mirrors="AWS library: a discovered attribute that cannot be called",
        files=script("custom_sagemaker_ping_handler = None\n"),
        ours=refuses(3, "custom_sagemaker_ping_handler", "it is None, which cannot be called"),
    ),
    Scenario(
        "the file of a reference decorates the other slot",
        mirrors="AWS library: decorators in a file that only a variable names",
        files={"other.py": DECORATES_PING_ELSEWHERE},
        environment={"CUSTOM_FASTAPI_INVOCATION_HANDLER": "other.py:invoke"},
        ours=serves(invoke(200, by("environment")), ping(200, {"status": "healthy"})),
        theirs=serves(invoke(200, by("environment")), ping(200, by("decorator in another file"))),
        reason="Decorators count in the script, as the guide says; the library's answer depends on which slot is "
        "resolved first.",
    ),
)
