"""What `handrail invoke` asks, as it is written on a command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from handrail_container.cli import question
from handrail_container.cli.question import DEFAULT_INPUT, Question, method_of

from tests.conftest import Launch
from tests.servers import environment, run

ECHOES = """
async def custom_sagemaker_invocation_handler(request):
    body = (await request.body()).decode()
    return {"team": request.headers.get("x-team"), "type": request.headers["content-type"], "body": body}
"""


def test_a_body_is_a_file_s_or_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body").write_bytes(b"\xff")
    assert question.body(str(tmp_path / "body")) == b"\xff"
    assert question.body(' {"a": 1}') == b' {"a": 1}'
    assert question.body("[1]") == b"[1]"
    assert question.body(None) == DEFAULT_INPUT
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"given")))
    assert question.body("-") == b"given"
    with pytest.raises(ValueError, match=r"--input is 'gone.json', and it cannot be read: No such file"):
        question.body("gone.json")


@pytest.mark.parametrize("line", ["X-Team", ": value", "X Team: a", "X-Team: a\r\nb: c", "X-Team: é"])
def test_a_header_that_cannot_be_sent_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="write 'Name: value'"):
        question.headers([line])


def test_given_headers_come_before_ours() -> None:
    asked = Question(
        key="k", given_headers=question.headers(["content-type: text/csv", "authorization:none", "x: a:b"])
    )
    assert asked.headers == {"content-type": "text/csv", "authorization": "none", "x": "a:b"}
    assert Question(key="k").headers == {"Content-Type": "application/json", "Authorization": "Bearer k"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(ECHOES)
    return tmp_path


def test_a_directory_and_a_server_are_asked_alike(folder: Path, launch: Launch) -> None:
    served = launch(folder).ready()
    given = ("--input", '{"a": 1}', "-H", "X-Team: search")
    answers = [run("invoke", target, *given, HANDRAIL_ENGINE="echo") for target in (folder, served.url)]
    assert [json.loads(one.stdout) for one in answers] == 2 * [
        {"team": "search", "type": "application/json", "body": '{"a": 1}'}
    ]
    for target in (folder, served.url):
        chat = run("invoke", target, "--path", "v1/chat/completions?a=b", HANDRAIL_ENGINE="echo")
        assert json.loads(chat.stdout)["choices"][0]["message"]["content"] == "Hello!"
        assert run("invoke", target, "--path", "/ping", HANDRAIL_ENGINE="echo").returncode == 0
        refused = run("invoke", target, "--method", "PUT", HANDRAIL_ENGINE="echo")
        assert json.loads(refused.stdout)["error"]["code"] == 405


def test_a_wrong_header_is_2(folder: Path) -> None:
    refused = run("invoke", folder, "-H", "X-Team", HANDRAIL_ENGINE="echo")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--header is 'X-Team'" in refused.stderr


def test_who_asks_a_port_is_told_that_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import urllib.request\n"
        "def custom_sagemaker_invocation_handler():\n    urllib.request.urlopen('http://127.0.0.1:1/v1')\n"
    )
    asked = run("invoke", tmp_path, HANDRAIL_ENGINE="echo")
    assert asked.returncode == 1
    assert "`handrail invoke` listens on no port" in asked.stderr


def test_the_log_is_for_people_unless_said_otherwise(tmp_path: Path) -> None:
    """Also in a pipe, where the lines of the stages are plain as well."""
    for form, is_json in (("auto", False), ("json", True)):
        asked = run("invoke", tmp_path, HANDRAIL_ENGINE="echo", HANDRAIL_LOG_FORMAT=form)
        assert ('{"time"' in asked.stderr) is is_json


@pytest.mark.parametrize("command", ["serve", "check", "invoke", "emulate"])
def test_a_script_in_place_of_its_directory_is_2_and_says_what_to_give(command: str, tmp_path: Path) -> None:
    for name, said in (("handler.py", "CUSTOM_SCRIPT_FILENAME=handler.py"), ("notes.md", "give the directory")):
        (tmp_path / name).touch()
        refused = run(command, tmp_path / name)
        assert refused.returncode == 2
        assert said in " ".join(refused.stderr.split())


@pytest.mark.parametrize("module", ["handrail", "handrail_container"])
def test_the_command_is_a_module_too(module: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", module, "--help"], env=environment({}), capture_output=True, text=True, check=False
    )
    assert asked.stdout.startswith("Usage: handrail ")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/ping?deep=1", "GET"),
        ("/execution-parameters", "GET"),
        ("/adapters/poet", "GET"),
        ("/v1/models/model", "GET"),
        ("/v1/models/model/loaded", "GET"),
        ("/v1/models/model:predict", "POST"),
        ("/v1/chat/completions", "POST"),
        ("/invocations", "POST"),
    ],
)
def test_a_route_is_asked_by_its_own_method(path: str, method: str) -> None:
    assert method_of(path) == method
