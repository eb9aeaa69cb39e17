"""What a handler may take."""

from __future__ import annotations

from tests.compat.table import Outcome, Scenario, invoke, ping, raw, refuses, script, serves

FORMS = """
import functools
from typing import Annotated
from fastapi import Body, Depends, Header, Query, Request
from pydantic import BaseModel

async def annotated(request: Request):
    return {"path": request.url.path}

async def raw_annotated(raw_request: Request):
    return {"path": raw_request.url.path}

async def nothing():
    return "called"

def plain(request: Request):
    return {"path": request.url.path}

async def defaulted(request=None):
    return "called"

class Question(BaseModel):
    prompt: str
    n: int = 1

async def model_body(question: Question):
    return {"asked": question.prompt, "n": question.n}

async def dict_body(body: dict):
    return {"keys": sorted(body)}

async def model_and_request(request: Request, question: Question):
    return {"asked": question.prompt, "path": request.url.path}

def limit(x_limit: Annotated[int, Header()] = 3):
    return limit.__name__, x_limit

async def depends(found=Depends(limit)):
    return found

async def header(x_tenant: str = Header("none")):
    return x_tenant

async def query(verbose: bool = Query(False)):
    return {"verbose": verbose}

async def with_greeting(greeting, request: Request):
    return {"says": greeting, "path": request.url.path}

partial = functools.partial(with_greeting, "hello")

def logged(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)
    return wrapper

@logged
async def wrapped(request: Request):
    return {"path": request.url.path}

class Callable:
    async def __call__(self, request: Request):
        return {"path": request.url.path}

instance = Callable()
"""

UNANNOTATED = """
import model_hosting_container_standards.sagemaker as sagemaker_standards

@sagemaker_standards.custom_ping_handler
async def my_ping(request):
    return {"path": request.url.path}

@sagemaker_standards.custom_invocation_handler
async def my_invoke(request):
    return {"asked": (await request.json())["prompt"]}
"""

UNANNOTATED_BY_NAME = """
async def custom_sagemaker_ping_handler(raw_request):
    return {"path": raw_request.url.path}

async def custom_sagemaker_invocation_handler(req):
    return {"asked": (await req.json())["prompt"]}
"""

BARE_WRAPPER = """
from fastapi import Request

def logged(function):
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)
    return wrapper

@logged
async def custom_sagemaker_invocation_handler(request: Request):
    return {"path": request.url.path}
"""

CALLABLE_INSTANCE = """
from fastapi import Request
from model_hosting_container_standards.sagemaker import custom_invocation_handler

class Handler:
    async def __call__(self, request: Request):
        return {"path": request.url.path}

custom_invocation_handler(Handler())
"""

DECORATED_METHOD = """
from fastapi import Request
from model_hosting_container_standards.sagemaker import custom_invocation_handler

class Handler:
    @custom_invocation_handler
    async def invoke(self, request: Request):
        return {"path": request.url.path}
"""

UNTYPED_SECOND = """
async def custom_sagemaker_invocation_handler(request, temperature):
    return {"temperature": temperature}
"""

IS_A_CLASS = """
class Handler:
    def __init__(self):
        self.by = "class"

custom_sagemaker_invocation_handler = Handler
"""

PROMPT = {"prompt": "why"}
PATH = {"path": "/invocations"}
QUERY_AND_MODEL = {
    "CUSTOM_FASTAPI_PING_HANDLER": "model:query",
    "CUSTOM_FASTAPI_INVOCATION_HANDLER": "model:model_body",
}


def takes(name: str, ping_function: str, invocation_function: str, ours: Outcome) -> Scenario:
    return Scenario(
        name,
        mirrors="AWS library: a handler is any endpoint FastAPI takes",
        files=script(FORMS),
        environment={
            "CUSTOM_FASTAPI_PING_HANDLER": f"model:{ping_function}",
            "CUSTOM_FASTAPI_INVOCATION_HANDLER": f"model:{invocation_function}",
        },
        ours=ours,
    )


SCENARIOS = (
    takes("nothing, or the request", "nothing", "annotated", serves(ping(200, "called"), invoke(200, PATH))),
    takes(
        "raw_request, in a plain def too",
        "plain",
        "raw_annotated",
        serves(ping(200, {"path": "/ping"}), invoke(200, PATH)),
    ),
    takes(
        "a pydantic model; a query parameter",
        "query",
        "model_body",
        serves(ping(200, {"verbose": False}), invoke(200, {"asked": "why", "n": 1}, sent=PROMPT)),
    ),
    takes(
        "a body that fails its model is a 422",
        "query",
        "model_body",
        serves(invoke(422, sent={"prompt": ["no", "text"]}), invoke(422, sent={})),
    ),
    Scenario(
        "a body that is not JSON, where a model is wanted",
        mirrors="AWS library: FastAPI's 422 for bad JSON",
        files=script(FORMS),
        environment=QUERY_AND_MODEL,
        ours=serves(raw(b"{", "application/json", 400)),
        theirs=serves(raw(b"{", "application/json", 422)),
        reason="Bad JSON is 400 wherever a handler wants JSON; 422 is for JSON that fails the handler's model.",
    ),
    takes(
        "Depends, with a header in it; a dict",
        "depends",
        "dict_body",
        serves(ping(200, ["limit", 3]), invoke(200, {"keys": ["n", "prompt"]}, sent=PROMPT | {"n": 2})),
    ),
    takes(
        "a header; a model beside the request",
        "header",
        "model_and_request",
        serves(ping(200, "none"), invoke(200, PATH | {"asked": "why"}, sent=PROMPT)),
    ),
    takes(
        "a request that has a default; a function behind functools.wraps",
        "defaulted",
        "wrapped",
        serves(ping(200, "called"), invoke(200, PATH)),
    ),
    takes(
        "an object with __call__; a functools.partial",
        "instance",
        "partial",
        serves(ping(200, {"path": "/ping"}), invoke(200, PATH | {"says": "hello"})),
    ),
    Scenario(
        "request without a type, decorated: the guide's method 2",
        mirrors="the guide's decorators, written without a type for request",
        files=script(UNANNOTATED),
        ours=serves(ping(200, {"path": "/ping"}), invoke(200, {"asked": "why"}, sent=PROMPT)),
        theirs=serves(ping(422), invoke(422, sent=PROMPT)),
        fails="The guide's own decorated handlers, `async def my_ping(request)`, answer 422 to everything: an endpoint "
        "with them never comes into service.",
    ),
    Scenario(
        "request without a type, found by name: the guide's method 3",
        mirrors="the guide's functions of agreed names, written without a type for request",
        files=script(UNANNOTATED_BY_NAME),
        ours=serves(ping(200, {"path": "/ping"}), invoke(200, {"asked": "why"}, sent=PROMPT)),
        theirs=serves(ping(422), invoke(422, sent=PROMPT)),
        fails="So do the guide's functions of the agreed names.",
    ),
    Scenario(
        "a wrapper without functools.wraps",
        mirrors="AWS library: what FastAPI makes of *args and **kwargs",
        files=script(BARE_WRAPPER),
        ours=serves(invoke(200, PATH)),
        theirs=serves(invoke(422)),
        reason="`*args` alone is taken for the request, as the function inside wants it.",
    ),
    Scenario(
        "a decorator on an object with __call__",
        mirrors="AWS library: decorators read __name__",
        files=script(CALLABLE_INSTANCE),
        ours=serves(invoke(200, PATH)),
        theirs=refuses(1, "'Handler' object has no attribute '__name__'"),
        reason="What can be called can be a handler, named or not.",
    ),
    Scenario(
        "a decorated method",
        mirrors="AWS library: decorators in a class",
        files=script(DECORATED_METHOD),
        ours=refuses(3, "is a method", "'model:Class.method'"),
        theirs=serves(invoke(422, text="self")),
        reason="Nobody makes the object the method belongs to; the start says so, and how to name it.",
    ),
    Scenario(
        "a second parameter without a type",
        mirrors="AWS library: FastAPI's query parameters",
        files=script(UNTYPED_SECOND),
        ours=refuses(3, "the parameter 'temperature' has no type"),
        theirs=serves(invoke(422)),
        reason="A query parameter that a client of SageMaker cannot send would make every request a 422.",
    ),
    Scenario(
        "a class in the place of a function",
        mirrors="AWS library: anything callable",
        files=script(IS_A_CLASS),
        ours=refuses(3, "Handler is a class, not a handler"),
        theirs=serves(invoke(200, {"by": "class"})),
        reason="A class would be made anew for every request, and its object be the answer.",
    ),
)
