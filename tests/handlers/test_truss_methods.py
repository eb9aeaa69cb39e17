"""What a Model's methods may take, and what is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Dict, Optional  # noqa: UP035  as older Models import them

import pytest
from handrail.core.errors import SignatureRefused
from handrail.core.signature import ArgumentSource
from handrail.styles.truss.methods import definition_of_class, inspect_class
from pydantic import BaseModel
from starlette.requests import Request


class Prompt(BaseModel):
    prompt: str


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def sources(predict: Any) -> list[ArgumentSource]:
    methods = inspect_class(type("Model", (), {"predict": predict}))
    return [argument.source for argument in methods["predict"].signature.arguments]


def refusal(**names: Any) -> str:
    with pytest.raises(SignatureRefused) as refused:
        inspect_class(type("Model", (), names))
    return str(refused.value)


BODY, REQUEST = ArgumentSource.INPUT, ArgumentSource.REQUEST


class Accepted:
    """Each way to write `predict`, by what it gets."""

    def nothing(self): ...  # type: ignore[no-untyped-def]  # noqa: ANN201
    def body(self, model_input): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def body_called_request(self, request): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def request(self, request: Request): ...  # type: ignore[no-untyped-def]  # noqa: ANN201
    def request_in_quotes(self, r: "Request"): ...  # type: ignore[no-untyped-def]  # noqa: ANN201, UP037
    def both(self, model_input: Dict[str, Any], request: Request): ...  # type: ignore[no-untyped-def]  # noqa: ANN201, UP006
    def both_untyped(self, model_input, request): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def second_is_the_request(self, x, r): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def request_first(self, request, x): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def optional_request(self, x, request: Optional[Request] = None): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, UP045
    def default(self, x, temperature: float = 0.5): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def by_keyword(self, x, *, request): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def rest(self, x, **kwargs): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201

    @staticmethod
    def static(x): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN205


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing", []),
        ("body", [BODY]),
        ("body_called_request", [BODY]),
        ("request", [REQUEST]),
        ("request_in_quotes", [REQUEST]),
        ("both", [BODY, REQUEST]),
        ("both_untyped", [BODY, REQUEST]),
        ("second_is_the_request", [BODY, REQUEST]),
        ("request_first", [REQUEST, BODY]),
        ("optional_request", [BODY, REQUEST]),
        ("default", [BODY]),
        ("by_keyword", [BODY, REQUEST]),
        ("rest", [BODY]),
        ("static", [BODY]),
    ],
)
def test_a_method_takes_the_body_and_the_request(name: str, expected: list[ArgumentSource]) -> None:
    """Un-annotated, in quotes, in either order: what Truss refuses works."""
    assert sources(vars(Accepted)[name]) == expected


def test_an_argument_by_keyword_is_given_by_keyword() -> None:
    methods = inspect_class(type("Model", (), {"predict": Accepted.by_keyword}))
    assert methods["predict"].arguments("body", "request") == (["body"], {"request": "request"})


def test_the_body_may_be_a_pydantic_model() -> None:
    """Also where it may be left out."""

    def predict(self: Any, prompt: Prompt | None) -> None: ...

    model = inspect_class(type("Model", (), {"predict": predict}))["predict"].model
    assert model is not None
    assert model.validate_python({"prompt": "a"}) == Prompt(prompt="a")


class Refused:
    def two_bodies(self, one: dict, two: dict): ...  # type: ignore[no-untyped-def, type-arg]  # noqa: ANN201
    def three(self, one, request, three): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    def two_requests(self, request: Request, again: Request): ...  # type: ignore[no-untyped-def]  # noqa: ANN201


@pytest.mark.parametrize("name", ["two_bodies", "three", "two_requests"])
def test_a_signature_that_cannot_be_called_is_refused(name: str) -> None:
    """With the line, the signature, and the accepted ones."""
    said = refusal(predict=vars(Refused)[name])
    assert f"{__file__}:" in said
    assert f"def {name}(self, " in said
    assert "(self, model_input, request: Request)" in said


def test_a_decorator_that_hides_the_signature_is_refused() -> None:
    """One that keeps it is not."""
    assert "functools.wraps" in refusal(predict=decorated(Accepted.both))
    kept = functools.wraps(Accepted.both)(decorated(Accepted.both))
    assert sources(kept) == [BODY, REQUEST]


def predict(self: Any, model_input: Any) -> Any: ...
def predict_nothing(self: Any) -> Any: ...
def step(self: Any, value: Any) -> Any: ...
async def socket(self: Any, websocket: Any) -> None: ...
async def socket_alone(self: Any) -> None: ...
async def socket_and_body(self: Any, websocket: Any, body: Any) -> None: ...
def request_only(self: Any, request: Request) -> Any: ...


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, "it has no endpoint; define predict, chat_completions"),
        ({"predict": predict, "websocket": socket}, "both predict and websocket"),
        ({"preprocess": step, "websocket": socket}, "websocket has no preprocess"),
        ({"websocket": socket, "postprocess": step}, "websocket has no postprocess"),
        ({"websocket": step}, "def step(self: Any, value: Any) -> Any: write `async def`"),
        ({"websocket": socket_alone}, "write `async def websocket(self, websocket)`"),
        ({"websocket": socket_and_body}, "write `async def websocket(self, websocket)`"),
        ({"predict": predict_nothing, "preprocess": step}, "predict does not take what preprocess makes"),
        ({"predict": predict, "postprocess": request_only}, "postprocess takes what it works on"),
        ({"predict": predict, "is_healthy": step}, "is_healthy takes nothing but self"),
        ({"predict": predict, "load": step}, "load takes nothing but self"),
        ({"predict": predict, "setup_environment": predict_nothing}, "setup_environment takes one argument"),
    ],
)
def test_methods_that_do_not_go_together_are_refused(names: dict[str, Any], said: str) -> None:
    assert said in refusal(**names)


def test_what_is_no_method_is_none() -> None:
    """`predict = None`, say."""
    assert inspect_class(type("Model", (), {"predict": None, "embeddings": predict, "preprocess": step})).keys() == {
        *("embeddings", "preprocess")
    }


def test_a_web_socket_is_given_however_it_is_called() -> None:
    """By keyword too; a decorator that keeps the signature is looked through."""

    async def by_keyword(self: Any, *, ws: Any) -> None: ...

    assert inspect_class(type("Model", (), {"websocket": by_keyword}))["websocket"].arguments(None, "ws") == (
        [],
        {"ws": "ws"},
    )
    kept = functools.wraps(socket)(decorated(socket))
    assert inspect_class(type("Model", (), {"websocket": kept}))["websocket"].arguments(None, "ws") == (["ws"], {})


def test_a_class_has_its_place() -> None:
    """Where Python knows it."""
    assert definition_of_class(Accepted).startswith(f"{__file__}:")
    assert definition_of_class(type("Made", (), {"__module__": "nowhere"})) == "module 'nowhere'"
