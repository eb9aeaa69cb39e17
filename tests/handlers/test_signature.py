"""What a handler takes: every accepted form, and the sentence for each that is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
from fastapi import Depends, Header, Query, Request
from handrail import Engine
from handrail.core.errors import SignatureRefused
from handrail.core.signature import ACCEPTED, ArgumentSource, inspect_handler
from starlette.requests import HTTPConnection

from tests.handlers.conftest import Resolved
from tests.handlers.driver import WordEngine

REQUEST, ENGINE, FASTAPI = ArgumentSource.REQUEST, ArgumentSource.ENGINE, ArgumentSource.FASTAPI


def nothing() -> None: ...
def named_request(request): ...  # noqa: ANN001, ANN201
def named_raw_request(raw_request): ...  # noqa: ANN001, ANN201
def any_first_name(anything): ...  # noqa: ANN001, ANN201
def request_second(engine: Engine, request): ...  # noqa: ANN001, ANN201
def request_last(body: dict, raw_request): ...  # noqa: ANN001, ANN201
def request_with_default(request=None): ...  # noqa: ANN001, ANN201
def annotated_request(anything: Request) -> None: ...
def annotated_twice(one: Request, two: Request) -> None: ...
def annotated_connection(connection: HTTPConnection) -> None: ...
def optional_request(req: Request | None = None) -> None: ...
def optional_request_as_before(req: Optional[Request] = None) -> None: ...  # noqa: UP045
def request_of_another_type(request: dict) -> None: ...
def engine(engine: Engine) -> None: ...
def engine_of_a_kind(engine: WordEngine) -> None: ...
def optional_engine(request: Request, llm: Engine | None = None) -> None: ...
def keyword_only(*, request, engine: Engine): ...  # noqa: ANN001, ANN201
def positional_only(request, engine: Engine, /): ...  # noqa: ANN001, ANN201
def variadic(*args, **kwargs): ...  # noqa: ANN002, ANN003, ANN201
def keywords(**kwargs): ...  # noqa: ANN003, ANN201
def request_then_variadic(request, *args, **kwargs): ...  # noqa: ANN001, ANN002, ANN003, ANN201
def body(body: dict[str, Any]) -> None: ...
def union(body: int | str) -> None: ...
def header(token: Annotated[str, Header()], page=Query(1)): ...  # noqa: ANN001, ANN201, B008
def depends(request, user=Depends(nothing)): ...  # noqa: ANN001, ANN201, B008


@pytest.mark.parametrize(
    ("handler", "sources"),
    [
        (nothing, []),
        (named_request, [REQUEST]),
        (named_raw_request, [REQUEST]),
        (any_first_name, [REQUEST]),
        (request_second, [ENGINE, REQUEST]),
        (request_last, [FASTAPI, REQUEST]),
        (request_with_default, [REQUEST]),
        (annotated_request, [REQUEST]),
        (annotated_twice, [REQUEST, REQUEST]),
        (annotated_connection, [REQUEST]),
        (optional_request, [REQUEST]),
        (optional_request_as_before, [REQUEST]),
        (request_of_another_type, [FASTAPI]),
        (engine, [ENGINE]),
        (engine_of_a_kind, [ENGINE]),
        (optional_engine, [REQUEST, ENGINE]),
        (keyword_only, [REQUEST, ENGINE]),
        (positional_only, [REQUEST, ENGINE]),
        (variadic, [REQUEST]),
        (keywords, []),
        (request_then_variadic, [REQUEST]),
        (body, [FASTAPI]),
        (union, [FASTAPI]),
        (header, [FASTAPI, FASTAPI]),
        (depends, [REQUEST, FASTAPI]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_parameter_has_one_source(handler: Callable[..., Any], sources: list[ArgumentSource]) -> None:
    """The table of section 4: the request, the engine, or what FastAPI makes of it."""
    signature = inspect_handler(handler)
    assert [argument.source for argument in signature.arguments] == sources
    assert signature.is_plain is (FASTAPI not in sources)


def test_string_annotations_are_what_they_name() -> None:
    """This file has `from __future__ import annotations`: its parameters carry the types all the same."""
    (argument,) = inspect_handler(body).arguments
    assert argument.parameter.annotation == dict[str, Any]


def test_a_signature_is_quoted_as_it_was_written() -> None:
    """The definition on one line, its name, and the line of its `def`."""
    signature = inspect_handler(optional_engine)
    line = optional_engine.__code__.co_firstlineno
    assert signature.name == "optional_engine"
    assert signature.where == f"{__file__}:{line}"
    assert signature.text == "def optional_engine(request: Request, llm: Engine | None=None) -> None"


def test_a_name_says_whose_method_or_whose_function_it_is() -> None:
    """Methods carry their class, local functions nothing of where they were made, partials what they call."""

    class Handler:
        async def infer(self, request: Request) -> None: ...
        def __call__(self, request: Request) -> None: ...

    assert inspect_handler(Handler().infer).name == "Handler.infer"
    assert inspect_handler(Handler()).name == "Handler"
    assert inspect_handler(functools.partial(any_first_name)).name == "any_first_name"
    assert inspect_handler(lambda request: None).text == "<lambda>(request)"


def test_what_a_partial_has_bound_is_not_asked_for() -> None:
    """Arguments bound by keyword stay as they are bound, whatever their type; those by position are gone."""

    def infer(prefix, request, client, /, *, engine: Engine, limit: object): ...  # noqa: ANN001, ANN202

    with pytest.raises(SignatureRefused, match="the parameter 'client' has no type"):
        inspect_handler(functools.partial(infer, "> ", limit=object()))
    bound = functools.partial(any_first_name, anything=1)
    assert inspect_handler(bound).arguments == ()

    def called(prefix, request, client, engine: Engine): ...  # noqa: ANN001, ANN202

    arguments = inspect_handler(functools.partial(called, "> ", client=object())).arguments
    assert [(a.parameter.name, a.source) for a in arguments] == [("request", REQUEST), ("engine", ENGINE)]


def test_a_wrapped_function_has_the_signature_it_wraps() -> None:
    """functools.wraps shows the handler behind the wrapper: its parameters, its name, its line."""

    @functools.wraps(optional_engine)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert inspect_handler(wrapper) == inspect_handler(optional_engine)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a string", "it is a str, which cannot be called"),
        (None, "it is None, which cannot be called"),
        ({}, "it is a dict, which cannot be called"),
        (Path, r"Path is a class, not a handler: name one of its methods \('Path\.method'\)"),
    ],
)
def test_what_is_no_function_is_refused(value: object, said: str) -> None:
    """A value and a class are told apart, and neither is called to see."""
    with pytest.raises(SignatureRefused, match=said):
        inspect_handler(value)


def test_a_function_without_a_signature_is_refused() -> None:
    """Some functions written in C do not say what they take."""
    with pytest.raises(SignatureRefused, match="dir has no signature that Python can read"):
        inspect_handler(dir)


@pytest.mark.parametrize(
    ("program", "quoted", "why"),
    [
        (
            "untyped_second_parameter",
            "async def custom_sagemaker_invocation_handler(request, temperature)",
            "the parameter 'temperature' has no type",
        ),
        (
            "unknown_annotation",
            "async def custom_sagemaker_invocation_handler(body: Bdoy)",
            "the annotation 'Bdoy' of 'body' names nothing",
        ),
        (
            "unparsable_annotation",
            "async def custom_sagemaker_invocation_handler(client: Client)",
            "Invalid args for response field",
        ),
        ("decorated_method", "def infer(self, request)", "is a method, and a decorator makes no object for it"),
    ],
)
def test_a_refusal_quotes_the_signature(resolved: Resolved, program: str, quoted: str, why: str) -> None:
    """`file:line`, the definition as written, and what is wrong with which parameter."""
    (fault,) = resolved(program).faults
    assert isinstance(fault, SignatureRefused)
    assert "model.py:" in str(fault)
    assert quoted in str(fault)
    assert why in str(fault)


def test_a_refusal_shows_what_is_accepted(resolved: Resolved) -> None:
    """The accepted forms follow, so that the author need not look them up."""
    (fault,) = resolved("untyped_second_parameter").faults
    assert ACCEPTED in str(fault)


def test_a_first_parameter_with_a_default_is_not_taken_for_the_request() -> None:
    """`def handler(temperature=0.7)` would silently be called with a request as its temperature."""

    def handler(temperature=0.7): ...  # noqa: ANN001, ANN202

    with pytest.raises(SignatureRefused, match="the parameter 'temperature' has no type"):
        inspect_handler(handler)


def test_the_types_a_script_imports_for_type_checkers_only_are_known(resolved: Resolved) -> None:
    """`Request` and `Engine` need not exist at run time."""
    handler = resolved("request_for_type_checkers").resolutions
    (signature,) = [resolution.handler.signature for resolution in handler.values() if resolution.handler]
    assert [argument.source for argument in signature.arguments] == [REQUEST, ENGINE]


def test_a_function_of_no_module_keeps_its_plain_annotations() -> None:
    """What `exec` made in no module is inspected like any other."""
    namespace: dict[str, Any] = {}
    exec("def handler(request: 'Request', n: int): ...", namespace)
    handler = namespace["handler"]
    handler.__module__ = "no_such_module"
    assert [argument.source for argument in inspect_handler(handler).arguments] == [REQUEST, FASTAPI]


def quoted(anything: "Request", engine: "handrail.Engine") -> None: ...  # noqa: F821, UP037
def quoted_in_a_circle(anything: "CIRCLE") -> None: ...  # noqa: UP037


CIRCLE = "CIRCLE"


def test_annotations_in_quotes_are_what_they_name() -> None:
    """In quotes under `from __future__ import annotations` they are strings twice."""
    assert [argument.source for argument in inspect_handler(quoted).arguments] == [REQUEST, ENGINE]
    with pytest.raises(SignatureRefused, match="'CIRCLE' of 'anything' names nothing"):
        inspect_handler(quoted_in_a_circle)
