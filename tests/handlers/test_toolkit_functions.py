"""The toolkit's functions: what they may take; their context; the stand-in for the toolkit's package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from handrail.core.blocking import BlockingEngine
from handrail.core.errors import Ambiguous, SignatureRefused
from handrail.styles.inference_toolkit import stand_in
from handrail.styles.inference_toolkit.context import Context
from handrail.styles.inference_toolkit.files import has_functions
from handrail.styles.inference_toolkit.functions import find_functions
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tests.handlers.driver import scope
from tests.servers import SCRIPTS


def module(**members: Any) -> ModuleType:
    made = ModuleType("inference")
    made.__file__ = "/opt/ml/model/code/inference.py"
    vars(made).update(members)
    return made


def plain(data: Any, model: Any) -> Any: ...  # pragma: no cover  inspected, never called


def only_args(*args: Any) -> Any: ...  # pragma: no cover


def ctx(data: Any, model: Any, ctx: Any = None) -> Any: ...  # pragma: no cover


def by_keyword(data: Any, model: Any, *, ctx: Any, k: int = 3) -> Any: ...  # pragma: no cover


def more(data: Any, model: Any, context: Any, k: int = 3, **rest: Any) -> Any: ...  # pragma: no cover


@pytest.mark.parametrize(
    ("function", "positional", "keywords"),
    [
        (plain, [1, 2], {}),
        (only_args, [1, 2], {}),
        (ctx, [1, 2, "c"], {}),
        (by_keyword, [1, 2], {"ctx": "c"}),
        (more, [1, 2, "c"], {}),
    ],
)
def test_what_a_function_is_given(function: Any, positional: list[Any], keywords: dict[str, Any]) -> None:
    found = find_functions(module(predict_fn=function))
    assert found.faults == ()
    assert found.by_name["predict_fn"].arguments([1, 2], "c") == (positional, keywords)


def test_every_wrong_function_is_told() -> None:
    """And no combination of them besides."""
    found = find_functions(module(predict_fn=lambda data: data, output_fn=5, transform_fn=lambda: 1))
    assert [type(fault) for fault in found.faults] == [SignatureRefused] * 3


def test_two_forms_are_told_with_both_places() -> None:
    def transform_fn(model: Any, data: Any, content_type: Any, accept: Any) -> Any: ...  # pragma: no cover

    (fault,) = find_functions(module(predict_fn=plain, input_fn=plain, transform_fn=transform_fn)).faults
    assert isinstance(fault, Ambiguous)
    assert str(fault).count("test_toolkit_functions.py:") == 3


def test_a_file_that_cannot_be_read_has_no_functions() -> None:
    assert has_functions(SCRIPTS / "toolkit" / "doubles.py")
    assert not has_functions(SCRIPTS / "toolkit" / "helper.py")
    assert not has_functions(SCRIPTS / "syntax_error.py")


def context(**headers: str) -> Context:
    request = Request(scope(headers=headers, state={"request_id": "r-1"}))
    engine: Any = BlockingEngine(None, None)  # type: ignore[arg-type]  # it is not asked
    return Context({"model_dir": "/opt/ml/model"}, engine, request)


def test_the_request_of_a_context() -> None:
    given = context(x_who="ann")
    headers = given.get_all_request_header(0)
    assert (headers["X_WHO"], "X_Who" in headers, 5 in headers, headers.get("none", "-")) == ("ann", True, False, "-")
    assert given.get_request_id() == "r-1"
    assert given.get_request_id(7) is None
    assert given.request_processor[0].get_request_property("X_Who") == "ann"


def test_the_answer_of_a_context() -> None:
    given = context()
    given.set_all_response_status(201, "Made")
    given.set_response_content_type(0, "text/x")
    given.set_response_header(0, "X-Count", 2)  # type: ignore[arg-type]
    assert given.get_response_status(0) == (201, "Made")
    assert given.get_response_content_type(0) == "text/x"
    assert given.get_response_headers(0) == {"content-type": "text/x", "x-count": "2"}


@pytest.mark.parametrize("code", [True, "200", 99, 600])
def test_a_status_that_is_none(code: Any) -> None:
    with pytest.raises(ValueError, match="write a number from 200 to 599"):
        context().set_response_status(code)


@pytest.mark.parametrize(("key", "value"), [("bad name", "1"), ("Connection", "close"), ("a", "€"), ("a", "b\r\nc")])
def test_a_header_that_cannot_be_sent(key: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        context().set_response_header(0, key, value)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-in alone, whatever is installed."""
    before = dict(sys.modules)
    for name in [name for name in sys.modules if name.partition(".")[0] == stand_in.PACKAGE]:
        del sys.modules[name]
    stand_in.install()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == stand_in.PACKAGE]:
        del sys.modules[name]
    sys.modules.update({name: it for name, it in before.items() if name.partition(".")[0] == stand_in.PACKAGE})


@pytest.mark.usefixtures("package")
def test_the_stand_in_has_what_scripts_import() -> None:
    from sagemaker_inference import content_types, decoder, encoder, errors, utils  # type: ignore[import-not-found]

    stand_in.install()  # a second time it is there
    assert sys.modules["sagemaker_inference.decoder"] is decoder
    assert decoder.decode("[1]", content_types.JSON).tolist() == [1]
    assert encoder.encode([1], content_types.JSON) == "[1]"
    assert utils.parse_accept("a/b, c/d") == ["a/b", "c/d"]
    with pytest.raises(errors.UnsupportedFormatError, match="image/png"):
        encoder.encode([1], "image/png")
    with pytest.raises(errors.UnsupportedFormatError, match="image/png"):
        decoder.decode(b"", "image/png")
    with pytest.raises(HTTPException, match="the body is not application/json"):
        decoder.decode("{", content_types.JSON)


def test_whose_errors_are_the_toolkit_s() -> None:
    generic = stand_in.problem_of(stand_in.GenericInferenceToolkitError(503, "later", "Later"))
    assert generic is not None
    assert (generic.status, generic.message) == (503, "later")
    unsupported = stand_in.problem_of(stand_in.UnsupportedFormatError("a/b"))
    assert unsupported is not None
    assert unsupported.status == 415
    assert stand_in.problem_of(stand_in.BaseInferenceToolkitError(200, "fine", "")) is None
    assert stand_in.problem_of(KeyError("a")) is None


def test_the_real_package_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / stand_in.PACKAGE).mkdir()
    (tmp_path / stand_in.PACKAGE / "__init__.py").write_text("")
    for name in [name for name in sys.modules if name.partition(".")[0] == stand_in.PACKAGE]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    stand_in.install()
    assert stand_in.PACKAGE not in sys.modules
