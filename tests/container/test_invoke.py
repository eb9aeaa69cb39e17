"""`handrail invoke`: what it prints where, and how it ends."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from handrail.core.redaction import Redactor
from handrail_container.cli import invoke
from handrail_container.cli.question import Question
from handrail_container.cli.transcript import Transcript
from handrail_container.process.exits import ExitCode
from handrail_container.settings.environment import read
from starlette.types import Receive, Scope, Send

from tests import forked
from tests.conftest import Launch
from tests.servers import HANDRAIL, PATIENCE_S, SCRIPTS, environment, eventually

HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}


def ask(*arguments: str | Path, stdin: str = "", **given: str) -> subprocess.CompletedProcess[str]:
    """`handrail invoke` on the echo engine, unless told otherwise."""
    given = environment({"HANDRAIL_ENGINE": "echo", **given})
    return forked.run([HANDRAIL, "invoke", *arguments], given, PATIENCE_S, stdin=stdin)


def told(word: str, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """The script that does as it is told."""
    body = json.dumps({"do": word})
    return ask(SCRIPTS, "--input", "-", *arguments, stdin=body, CUSTOM_SCRIPT_FILENAME="does_as_told.py", **given)


def stages(stderr: str) -> list[str]:
    """The names of the stages, each with its seconds."""
    return [match[1] for match in re.finditer(r"^(\S.*?) +\d+\.\d{3} s", stderr, re.MULTILINE)]


def test_a_script_is_asked_hello(tmp_path: Path) -> None:
    """The answer on standard output, and nothing else there."""
    (tmp_path / "model.py").write_text(
        "async def custom_sagemaker_invocation_handler(request): return await request.json()"
    )
    asked = ask(tmp_path)
    assert (asked.returncode, json.loads(asked.stdout)) == (0, HELLO)
    assert stages(asked.stderr) == ["script", "engine", "handler", "first chunk", "result"]
    assert f"{tmp_path / 'model.py'}:1" in asked.stderr
    assert "200 application/json, 49 bytes in 1 chunk" in asked.stderr


def test_the_directory_is_that_of_the_environment(tmp_path: Path) -> None:
    asked = ask(SAGEMAKER_MODEL_PATH=str(tmp_path))
    assert (asked.returncode, stages(asked.stderr)) == (0, ["script", "engine", "handler", "first chunk", "result"])


def test_what_handlers_print_is_not_the_answer() -> None:
    asked = ask(SCRIPTS, CUSTOM_SCRIPT_FILENAME="prints.py")
    assert asked.stdout == '{"printed":true}'
    for text in ("when imported", "when called", "past Python", "by another process"):
        assert f"{text}\n" in asked.stderr


def test_a_truss_is_asked() -> None:
    asked = ask(SCRIPTS / "truss_plain")
    assert (asked.returncode, json.loads(asked.stdout)["input"]) == (0, HELLO)
    assert stages(asked.stderr) == ["script", "engine", "Model", "handler", "first chunk", "result"]


def test_start_up_hooks_run() -> None:
    asked = ask(SCRIPTS, CUSTOM_SCRIPT_FILENAME="with_everything.py")
    assert "start-up hooks" in stages(asked.stderr)


def test_the_default_answers_from_a_file(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"prompt": "one two"}')
    (tmp_path / "empty").mkdir()
    asked = ask(tmp_path / "empty", "--input", body, "--engine", "echo", HANDRAIL_ENGINE="none")
    assert (asked.returncode, json.loads(asked.stdout)["choices"][0]["text"]) == (0, "one two")


def test_a_stream_is_asked_for_and_shown(tmp_path: Path) -> None:
    asked = ask(tmp_path, "--stream")
    events = asked.stdout.split("\n\n")
    assert (asked.returncode, events[-2]) == (0, "data: [DONE]")
    assert "".join(json.loads(event[6:])["choices"][0]["delta"]["content"] for event in events[:-2]) == "Hello!"
    assert re.search(r"200 text/event-stream.*, \d+ bytes in 3 chunks$", asked.stderr, re.MULTILINE)


@pytest.mark.parametrize("body", ["not JSON", '["a list"]'])
def test_what_cannot_ask_for_a_stream_goes_as_it_is(body: str) -> None:
    assert Question(body.encode(), streams=True).body == body.encode()


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("raise_error", "500 application/json"),
        ("raise_text", "418 application/json"),
        ("events_fail", "200 text/event-stream"),
        ("text_fails", "200 text/plain; charset=utf-8, 13 bytes in 1 chunk, and cut before its end"),
    ],
)
def test_one_that_fails_is_1(word: str, shown: str) -> None:
    """Its answer is shown as a client would see it, the cause on standard error."""
    asked = told(word)
    assert asked.returncode == 1
    assert asked.stdout
    assert shown in asked.stderr


def test_deadlines_count_as_in_serving(tmp_path: Path) -> None:
    """Also for what goes on in its thread, whatever it is told."""
    (tmp_path / "model.py").write_text("import time\ndef custom_sagemaker_invocation_handler(): time.sleep(60)\n")
    asked = ask(tmp_path, HANDRAIL_INVOCATION_TIMEOUT_S="0.3", HANDRAIL_DRAIN_S="0")
    assert (asked.returncode, json.loads(asked.stdout)["error"]["code"]) == (1, 504)


@pytest.mark.parametrize(
    ("arguments", "given", "code", "message"),
    [
        ((SCRIPTS,), {"CUSTOM_SCRIPT_FILENAME": "raises_on_import.py"}, 3, "raises_on_import.py"),
        ((SCRIPTS / "truss_fails",), {}, 3, "failed"),
        ((SCRIPTS,), {"CUSTOM_SCRIPT_FILENAME": "gone.py"}, 2, "CUSTOM_SCRIPT_FILENAME is 'gone.py'"),
        ((SCRIPTS,), {"HANDRAIL_DRAIN_S": "soon"}, 2, "HANDRAIL_DRAIN_S is 'soon'"),
        ((SCRIPTS / "package",), {"HANDRAIL_ENGINE": "vllm"}, 2, "HF_MODEL_ID"),
        (("http://a:b",), {}, 2, "'http://a:b' is not a URL"),
        (("nowhere",), {}, 2, "'nowhere' is neither a directory nor a URL"),
        (("http://127.0.0.1:1", "--engine", "echo"), {}, 2, "--engine is for a directory"),
        ((SCRIPTS, "--input", "nowhere"), {}, 2, "nowhere"),
    ],
)
def test_one_that_is_refused_ends_as_serving_does(
    arguments: tuple[str | Path, ...], given: dict[str, str], code: int, message: str
) -> None:
    asked = ask(*arguments, **given)
    assert (asked.returncode, asked.stdout) == (code, "")
    assert message in asked.stderr
    assert "Handrail ended" not in asked.stderr


def test_a_definition_shows_its_stages() -> None:
    """What came out of each, without the secrets; the answer is what a client gets of a server."""
    asked = ask(SCRIPTS / "tells_secrets", TOKEN="the-secret")
    assert asked.returncode == 0
    assert stages(asked.stderr) == ["script", "engine", "workers", "input", "snippet", "output", "result"]
    assert "    {" in asked.stderr
    assert "Hello!" in asked.stderr
    assert "with ***" in asked.stderr
    assert "characters more)" in asked.stderr
    assert "the-secret" not in asked.stderr
    assert json.loads(asked.stdout)["choices"][0]["message"]["content"] == "the-secret" + "!" * 5000


def test_a_definition_finds_its_engine() -> None:
    asked = ask(SCRIPTS / "asks_its_engine")
    assert json.loads(asked.stdout)["choices"][0]["message"]["content"] == "Hello!"


def test_a_definition_without_an_engine_fails_where_it_asks_it() -> None:
    asked = ask(SCRIPTS / "asks_its_engine", "--engine", "none")
    assert (asked.returncode, json.loads(asked.stdout)["error"]["stage"]) == (1, "run_inference")


def test_a_directory_needs_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(invoke, "bind")
    out = io.BytesIO()
    assert _run(tmp_path, out) == ExitCode.CLEAN
    assert json.loads(out.getvalue())["choices"][0]["message"]["content"] == "Hello!"


def _run(folder: Path, out: io.BytesIO) -> ExitCode:
    import asyncio

    settings = read(model_path=folder, engine="echo")
    return asyncio.run(invoke.invoke_directory(settings, Question(), Transcript(out, Redactor(), live=False)))


def test_a_server_is_asked(serving: Launch) -> None:
    served = serving()
    asked = ask(served.url)
    assert json.loads(asked.stdout)["choices"][0]["message"]["content"] == "Hello!"
    assert stages(asked.stderr) == ["handler", "first chunk", "result"]
    asked = ask(f"{served.url}/v1/chat/completions", "--stream")
    assert (asked.returncode, asked.stdout.endswith("data: [DONE]\n\n")) == (0, True)


@pytest.mark.parametrize(("word", "shown"), [("raise_error", "500 application"), ("text_fails", "cut before its end")])
def test_a_server_that_fails_is_1(serving: Launch, word: str, shown: str) -> None:
    served = serving("does_as_told.py")
    asked = ask(served.url, "--input", "-", stdin=json.dumps({"do": word}))
    assert asked.returncode == 1
    assert shown in asked.stderr


def test_the_key_of_the_environment_is_sent(launch: Launch, tmp_path: Path) -> None:
    served = launch(tmp_path, HANDRAIL_API_KEY="open sesame").ready()
    assert ask(served.url).returncode == 1
    for target in (served.url, tmp_path):
        assert ask(target, HANDRAIL_API_KEY="open sesame").returncode == 0


def test_a_server_that_is_not_there_is_1() -> None:
    asked = ask("http://127.0.0.1:1/")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "http://127.0.0.1:1/invocations gives no answer" in asked.stderr
    assert "Traceback" not in asked.stderr


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An invocation whose engine never comes."""
    log = tmp_path / "log"
    given = environment({"HANDRAIL_ENGINE": "echo", "HANDRAIL_ECHO_LOAD_S": "600"})
    with log.open("w") as stderr:
        process = subprocess.Popen([HANDRAIL, "invoke", tmp_path], env=given, stderr=stderr, stdout=-1, text=True)
    eventually(lambda: "script " in log.read_text(), "the script to be loaded")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_it_ends_others(loading: subprocess.Popen[str], number: signal.Signals) -> None:
    loading.send_signal(number)
    assert loading.wait(PATIENCE_S) == 128 + number


async def test_who_listens_after_the_answer_hears_its_client_leave() -> None:
    """As a server's application would; in a process that ends then, not all come to that."""
    heard: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        heard.append((await receive())["type"])

    transcript = Transcript(io.BytesIO(), Redactor(), live=False)
    await invoke.ask(application, Question(), transcript, PATIENCE_S)  # type: ignore[arg-type]  # a Gate is one
    assert heard == ["http.request", "http.disconnect"]


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("body", "shown"), [(b"{}", b"{}\n"), (b"text\n", b"text\n")])
def test_on_a_terminal_the_answer_ends_its_line(body: bytes, shown: bytes) -> None:
    out = Terminal()
    transcript = Transcript(out, Redactor(), live=True)
    transcript.began(200, "text/plain")
    transcript.piece(body)
    transcript.piece(b"")
    transcript.completed()
    assert transcript.ended()
    assert out.getvalue() == shown


@pytest.mark.parametrize(
    ("body", "is_answer"),
    [(b'{"token":1}\n', True), (b'{"token":1}\n{"error":{"code":500}}\n', False), (b"", True)],
)
def test_a_stream_of_json_lines_that_ends_with_an_error_has_failed(body: bytes, *, is_answer: bool) -> None:
    transcript = Transcript(io.BytesIO(), Redactor(), live=False)
    transcript.began(200, "application/jsonlines")
    transcript.piece(body)
    transcript.completed()
    assert transcript.ended() is is_answer


class Closed(io.BytesIO):
    def write(self, _: object) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_left_is_no_failure() -> None:
    transcript = Transcript(Closed(), Redactor(), live=False)
    transcript.began(200, "text/plain")
    transcript.piece(b"more than it read")
    transcript.completed()
    assert transcript.ended()
