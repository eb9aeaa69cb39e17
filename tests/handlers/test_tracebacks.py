"""Where in the user's code it happened."""

from __future__ import annotations

import functools
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handrail.core.script import Loader
from handrail.core.tracebacks import Raised, definition, explain, fault_line, message_of, signature_text, user_traceback

from tests.handlers.conftest import Place

HANDLERS = Path(__file__).parents[2] / "handlers"


def raised_by(function: Callable[..., Any], *args: Any) -> Raised:
    with pytest.raises(Exception) as caught:  # noqa: PT011  any
        function(*args)
    return explain(caught.value, function)


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@decorated
@decorated
async def handler(request: object, *, limit: int = 3) -> dict[str, int]:
    return {}


def plain(a, /, b=1, *c, **d): ...  # noqa: ANN001, ANN002, ANN003, ANN201


class Method:
    def __call__(self, request: object) -> None: ...
    def method(self, request: object) -> None: ...


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("function", "text", "signature"),
    [
        (handler, "async def handler(", "async def handler(request: object, *, limit: int=3) -> dict[str, int]"),
        (plain, "def plain(", "def plain(a, /, b=1, *c, **d)"),
        (functools.partial(functools.partial(plain, 1), 2), "def plain(", "def plain(a, /, b=1, *c, **d)"),
        (Method().method, "def method(", "def method(self, request: object) -> None"),
        (Method(), "def __call__(", "def __call__(self, request: object) -> None"),
        (functools.partial(Method()), "def __call__(", "def __call__(self, request: object) -> None"),
    ],
)
def test_a_definition_is_the_line_of_its_def(function: Callable[..., Any], text: str, signature: str) -> None:
    """Under decorators, in a class, behind a partial: never the decorator's line, and the text as it is written."""
    assert definition(function) == f"{__file__}:{line_of(text)}"
    assert signature_text(function) == signature


def test_a_lambda_has_a_line_but_no_def() -> None:
    """It is placed, and not quoted."""
    function = lambda request: None  # noqa: E731
    assert definition(function) == f"{__file__}:{line_of('function = lambda request')}"
    assert signature_text(function) is None


def test_what_is_written_in_c_has_neither() -> None:
    """Its repr stands for its place."""
    assert definition(len) == "<built-in function len>"
    assert signature_text(len) is None


@pytest.mark.parametrize("source", [None, b"def handler(:\n", b"\0"])
def test_a_source_that_changed_or_went_is_no_failure(model_path: Path, source: bytes | None) -> None:
    """Without a source to read, the line is the code's own."""
    script = model_path / "model.py"
    script.write_text("\ndef handler():\n    pass\n")
    function = Loader().load(script).handler
    if source is None:
        script.unlink()
    else:
        script.write_bytes(source)
    assert definition(function) == f"{script}:2"
    assert signature_text(function) is None


def test_an_exception_is_placed_in_the_users_code(place: Place, model_path: Path) -> None:
    """The last line of theirs it came through: in the handler, in its sibling, or where it called a library."""
    module = Loader().load(place("raises_when_called"))
    direct = raised_by(module.direct)
    assert (direct.type, direct.message, direct.where) == ("ValueError", "direct", f"{model_path}/model.py:9")
    sibling = raised_by(module.custom_sagemaker_invocation_handler, None)
    assert sibling.where == f"{model_path}/helper_that_raises.py:2"
    library = raised_by(module.in_a_library)
    assert (library.type, library.where) == ("JSONDecodeError", f"{model_path}/model.py:15")


def test_a_traceback_begins_with_the_users_frames(place: Place, model_path: Path) -> None:
    """Nothing of what called the handler is in it, and what the handler called is."""
    report = raised_by(Loader().load(place("raises_when_called")).in_a_library).traceback.splitlines()
    assert report[0] == "Traceback (most recent call last):"
    assert report[1] == f'  File "{model_path}/model.py", line 15, in in_a_library'
    assert any("json/decoder.py" in line for line in report)
    assert report[-1].startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_libraries_inside_the_model_directory_are_not_the_users(place: Place, model_path: Path) -> None:
    """A virtual environment beside `model.py` holds none of the author's lines."""
    script = place("raises_when_called")
    venv.create(model_path / ".venv", symlinks=True)
    libraries = next((model_path / ".venv" / "lib").glob("*/site-packages"))
    (model_path / "helper_that_raises.py").rename(libraries / "helper_that_raises.py")
    program = """
import sys
from handrail.core.script import Loader, Path
from handrail.core.tracebacks import explain
handler = Loader().load(Path(sys.argv[1])).custom_sagemaker_invocation_handler
try:
    handler(None)
except LookupError as error:
    print(explain(error, handler).where)
"""
    command = [model_path / ".venv" / "bin" / "python", "-c", program, script]
    run = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(HANDLERS)}, check=False)
    assert run.stdout == f"{script}:5\n", run.stderr


def test_a_handler_of_a_library_is_placed_in_it() -> None:
    """A reference may name an installed function: then its own folder is the author's."""
    import json.decoder

    folder = Path(sysconfig.get_path("stdlib")) / "json"
    assert raised_by(json.decoder.JSONDecoder().decode, "{").where.startswith(f"{folder}/decoder.py:")


def test_a_script_that_an_installed_function_calls_is_placed_at_its_line(place: Place, model_path: Path) -> None:
    """As a style of another distribution calls it. Without a line of the model directory, the function's own counts."""
    scripts = Loader().load(place("raises_when_called"))

    def answer(direct: Callable[..., Any]) -> None:
        direct()

    for raising, where in ((scripts.direct, f"{model_path}/model.py:9"), ({}.popitem, f"{__file__}:")):
        with pytest.raises((ValueError, KeyError)) as caught:
            answer(raising)
        raised = explain(caught.value, answer, model_path)
        assert raised.where.startswith(where)
        assert raised.traceback.splitlines()[1].startswith(f'  File "{where.partition(":")[0]}"')
    own = explain(caught.value, answer, Path(__file__).parent)
    assert own.where == f"{__file__}:{line_of('        direct()')}"


def test_an_exception_that_never_reached_the_handler_is_placed_at_its_def() -> None:
    """Called with the wrong arguments, say."""
    with pytest.raises(TypeError) as caught:
        exec("raise TypeError('before')", {})
    error = caught.value.with_traceback(None)
    assert explain(error, plain).where == f"{__file__}:{line_of('def plain(')}"


def test_an_exception_of_a_builtin_is_explained_too() -> None:
    """No line is anyone's: its repr stands for its place."""
    with pytest.raises(TypeError) as caught:
        exec("len(3)", {})
    explained = explain(caught.value, len)
    assert explained.where == "<built-in function len>"
    assert explained.traceback.endswith("TypeError: object of type 'int' has no len()")


def test_an_exception_that_cannot_say_what_it_is_is_still_told(place: Place) -> None:
    """Its own `__str__` fails; type, place and traceback are there."""
    script = place("broken_str")
    explained = raised_by(Loader().load(script).custom_sagemaker_invocation_handler)
    assert (explained.type, explained.where) == ("Unspeakable", f"{script}:7")
    assert explained.message == "(its __str__ raises)"
    assert message_of(ValueError("a")) == "a"


def test_causes_are_in_the_traceback(place: Place) -> None:
    """What an exception was raised from or while handling, each without the import system's frames."""
    script = place("raises_while_handling")
    with pytest.raises(RuntimeError) as caught:
        exec(compile(script.read_text(), str(script), "exec"), {})
    report = user_traceback(caught.value, script.parent)
    assert "KeyError: 'key'" in report
    assert "During handling of the above exception" in report
    assert "importlib" not in report


def test_a_traceback_without_user_frames_keeps_what_is_not_ours(tmp_path: Path) -> None:
    """The frames of the import system and of Handrail are cut off, those of a library stay."""
    with pytest.raises(ModuleNotFoundError) as caught:
        __import__("no_such_module_at_all")
    assert __file__ in user_traceback(caught.value, tmp_path)
    error = caught.value.with_traceback(None)
    assert user_traceback(error, tmp_path) == "ModuleNotFoundError: No module named 'no_such_module_at_all'"


def test_a_fault_is_placed_in_its_file(tmp_path: Path) -> None:
    """The last line of that file, a syntax error's own line, or the file alone where no line is known."""
    script = tmp_path / "model.py"
    script.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile(script.read_text(), str(script), "exec"), {})
    assert fault_line(caught.value, script) == f"{script}:1"
    assert fault_line(SyntaxError("bad", (str(script), 7, 1, "")), script) == f"{script}:7"
    assert fault_line(SyntaxError("bad", ("<string>", 7, 1, "")), script) == str(script)
    assert fault_line(SyntaxError("bad"), script) == str(script)


def test_a_class_is_where_its_definition_is() -> None:
    """Or what Python shows of it, where it has no source."""

    class Here: ...

    file, _, line = definition(Here).rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1].strip() == "class Here: ..."
    assert definition(int) == "<class 'int'>"
    assert definition(type("Made", (), {})) == "<class 'tests.handlers.test_tracebacks.Made'>"


@pytest.mark.parametrize(
    "error", [KeyError("k" * 3_000_000), ValueError("bad " + "a\n" * 2_000_000)], ids=["key", "value"]
)
def test_a_message_of_megabytes_is_cut_before_anything_is_made_of_it(error: Exception) -> None:
    """A client's text is often in it. The lines of the code stay."""

    def fails() -> None:
        raise error

    raised = raised_by(fails)
    assert len(raised.message) < 17_000
    assert len(raised.traceback) < 20_000
    assert raised.message.endswith(" characters)")
    assert "raise error" in raised.traceback
