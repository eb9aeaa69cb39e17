"""What newcomers write, a script of `tests/scripts/mistakes` each: the answer and the log say what to write instead."""

from __future__ import annotations

import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest
from handrail.core.advice import advice
from handrail.core.redaction import Redactor
from handrail_container.cli import invoke
from handrail_container.cli.check import check_program
from handrail_container.cli.question import Question
from handrail_container.cli.transcript import Transcript
from handrail_container.settings.environment import read

from tests.servers import SCRIPTS

MISTAKES = SCRIPTS / "mistakes"
AWAIT = "It is a coroutine: write `await` before the call that made it"
SAYS = {
    "forgets_await": AWAIT,
    "forgets_await_of_json": AWAIT,
    "returns_a_coroutine": "which is not awaited: write `await` before what it returns",
    "returns_a_coroutine_in_a_dict": AWAIT,
    "loops_over_generate": "It is an async generator: write `async for … in` over it",
    "awaits_generate": "It is an async generator: write `async for … in` over it",
    "awaits_tokenize": "list is not awaited: leave out `await`",
    "async_loop_over_a_list": "tuple is no async iterator: write `for`",
    "async_loop_over_a_call": "an `async for` takes what an awaited call gives",
    "reads_a_stream": "answers with a StreamingResponse: return it as it is",
    "subscripts_the_answer": "write `.choices`",
    "asks_the_request_for_a_field": "its body is `await request.json()`",
    "misspells_a_call": "handrail.Engine has no `chat_completion`. Did you mean `chat_completions`?",
    "gives_the_body_first": "write `await engine.chat_completions(model_input=body, request=request)`",
    "gives_text": 'is text: give it a request\'s body, {"messages": [{"role": "user", "content": text}]}',
    "gives_the_request_to_predict": "is a list, and it takes a request's body: a dict",
    "returns_a_thing": "it answered with a dict with a list with a Thing in it in it, which is no JSON",
    "returns_a_thing_typed": "it answered with a Thing, which is no JSON: return a dict",
    "returns_nan": "JSON has neither NaN nor Infinity: return None in their place",
    "imports_when_called": "Add the package that has `a_package_nobody_has` to requirements.txt",
    "imports_a_module_that_is_not_there": "starlette is installed, and has no module `no_such_module`: is its name",
    "runs_out_of_memory": "The process had no memory left for it",
    "asks_the_engine_in_def": AWAIT,
    "opens_a_relative_path": "write `Path(__file__).parent / 'prompts/system.txt'` for one beside the file",
    "runs_a_program": "There is no program `a-program-nobody-has` where the server runs: the image has to have it",
    "runs_a_program_on_the_loop": "There is no program `a-program-nobody-has` where the server runs",
    "forgets_an_import": "Write `import json` at the top",
    "forgets_an_import_of_a_response": "Write `from fastapi.responses import JSONResponse`",
    "misspells_a_name": "Did you mean `JSONResponse`?",
}
REFUSED = {
    "misspells_an_import": "Did you mean `custom_invocation_handler`?",
    "imports_what_handrail_has_not": "Write `from handrail import …`",
    "imports_a_package": "Add the package that has `a_package_nobody_has` to requirements.txt beside the script",
    "awaits_in_def": "Write `async def` where `await` is used",
    "comprehends_in_def": "Write `async def` around it",
    "annotates_without_an_import": "Write `from handrail import Engine`",
    "annotates_a_route_with_engine": "write `engine: Annotated[Engine, Depends(get_engine)]`",
    "annotates_with_nothing": "the annotation 'Ask' of 'ask' names nothing: import it, or define it in the file",
    "breaks_syntax": "SyntaxError: invalid syntax",
    "decorates_a_class": "Answer is a class, not a handler: name one of its methods ('Answer.method')",
    "engine_without_annotation": "parameters annotated `Request` or `handrail.Engine`",
    "exits_when_imported": "it called sys.exit(1); a script that is served must not exit when imported",
    "two_handlers": "Keep one, or choose with CUSTOM_FASTAPI_INVOCATION_HANDLER=",
}
ENDS = {
    "hook_opens_a_relative_path": "write `Path(__file__).parent / 'index.bin'` for one beside the file",
    "hook_forgets_await": AWAIT,
}
#: It is answered, and what is to be said is in the log.
LOGGED = {
    "calls_the_decorator": '{"a":1}',
    "fails_midway": "one ",
    "misnamed": "Hello!",
}
SAID = {
    "fails_midway": "answer raised RuntimeError at {file}:7",
    "misnamed": "({file}:1) is not a handler: did you mean custom_sagemaker_invocation_handler?",
}
REMARKED = {
    "returns_nothing": ("null", "returned nothing, which is answered as JSON's null: is a `return` missing?"),
    "returns_nothing_typed": ("null", "is a `return` missing?"),
    "returns_a_status": ('[{"error":"no"},404]', "return JSONResponse(answer, 404)"),
    "returns_a_status_typed": ('[{"error":"no"},404]', "return JSONResponse(answer, 404)"),
    "returns_a_pair": ("[1,2]", None),
}


@pytest.fixture
def forgotten_coroutines_go() -> Iterator[None]:
    """In this test, which expects Python's warning, and not in one to come."""
    yield
    gc.collect()


async def ask(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a client gets of the script."""
    monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", f"{name}.py")
    out = io.BytesIO()
    transcript = Transcript(out, Redactor(), live=False)
    await invoke.invoke_directory(read(model_path=MISTAKES, engine="echo"), Question(), transcript)
    return out.getvalue().decode()


@pytest.mark.usefixtures("forgotten_coroutines_go")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", SAYS)
async def test_what_to_write_is_in_the_answer_and_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = json.loads(await ask(name, monkeypatch))["error"]
    assert error["code"] == 500
    assert SAYS[name] in error["message"]
    assert f"{MISTAKES / name}.py:" in error["message"]
    assert SAYS[name] in caplog.text


@pytest.mark.parametrize("name", REFUSED)
def test_what_to_write_is_said_of_a_script_that_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", f"{name}.py")
    report = check_program(model_path=MISTAKES, engine="echo")
    assert report.exit_code == 3
    last = report.to_text().splitlines()[-1]
    assert REFUSED[name] in last
    assert f"{MISTAKES / name}.py:" in last
    if "failed to import" in last:  # nobody knows who would answer
        assert "the default handler" not in report.to_text().partition("\n/invocations\n")[2]


@pytest.mark.usefixtures("forgotten_coroutines_go")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ENDS)
async def test_what_to_write_is_said_of_a_start_that_fails(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ask(name, monkeypatch) == ""
    last = capsys.readouterr().err.splitlines()[-1]
    assert ENDS[name] in last
    assert f"{MISTAKES / name}.py:" in last


@pytest.mark.parametrize("name", LOGGED)
async def test_what_is_wrong_with_a_script_that_answers_is_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the decorator that is called nothing is to be said: it is meant."""
    with caplog.at_level(logging.WARNING, "handrail"):
        assert LOGGED[name] in await ask(name, monkeypatch)
    said = SAID.get(name, "").format(file=f"{MISTAKES / name}.py")
    assert any(said in record.message for record in caplog.records) or not said


@pytest.mark.parametrize("name", REMARKED)
async def test_what_may_not_be_meant_is_answered_and_said_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer, said = REMARKED[name]
    with caplog.at_level(logging.WARNING, "handrail"):
        assert await ask(name, monkeypatch) == answer
    assert [said in record.message for record in caplog.records if said] == [True] * bool(said)


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    from handrail.core.remarks import Remarks

    remarks = Remarks("answer", "model.py:1")
    for _ in range(3):
        remarks.check(None)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", sorted(path.stem for path in MISTAKES.glob("*.py")))
def test_every_script_is_in_a_table(name: str) -> None:
    assert name in {**SAYS, **REFUSED, **ENDS, **LOGGED, **REMARKED}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a coroutine is a word"),
        AttributeError("'Thing' object has no attribute 'x'"),
        TypeError("'Thing' object is not subscriptable"),
        KeyError("'coroutine' object"),
        ImportError("cannot import name 'a' from 'b'"),
        RuntimeError(""),
        NameError("name 'qqq' is not defined"),
        FileNotFoundError("nothing is known of it"),
        FileNotFoundError(2, "No such file", "/absolute/path"),
    ],
)
def test_other_errors_have_python_s_message_alone(error: Exception) -> None:
    assert advice(error, str(error)) == ""


def test_a_file_that_is_missed_elsewhere_is_one_beside_the_script_too() -> None:
    """An error that was never raised here has no frames."""
    assert "Path(__file__).parent / 'index.bin'" in advice(FileNotFoundError(2, "No such file", "index.bin"), "")
