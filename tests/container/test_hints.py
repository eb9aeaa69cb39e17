"""What `--hints` offers to try: it works, whoever answers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from handrail_container.cli.hints import print_hints
from handrail_container.program.load import load_program
from handrail_container.settings.fields import Settings

from tests.container.test_openapi import DEFINITION, MODEL, truss
from tests.container.test_server import running
from tests.servers import SCRIPTS

CHAT = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}


class Hints:
    """Of a program, as they are printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(
        self, folder: Path, script: str | None = None, payloads: dict[str, str] = CHAT, **given: Any
    ) -> list[str]:
        settings = Settings(SAGEMAKER_MODEL_PATH=folder, CUSTOM_SCRIPT_FILENAME=script, **given)
        print_hints(load_program(settings), "127.0.0.1", 80, settings, payloads)
        return self._capsys.readouterr().out.partition("Try")[2].splitlines()


@pytest.fixture
def hints(capsys: pytest.CaptureFixture[str]) -> Hints:
    return Hints(capsys)


def words(lines: list[str]) -> list[str]:
    """The command that asks /invocations, as a shell takes it apart."""
    (line,) = [line for line in lines if "/invocations" in line]
    return shlex.split(line)


async def answer(folder: Path, script: str | None, command: list[str]) -> int:
    """The status of what that command would get."""
    given = {"CUSTOM_SCRIPT_FILENAME": script} if script else {}
    url, headers = command[1], [command[i + 1].split(": ") for i, word in enumerate(command) if word == "-H"]
    body = command[command.index("-d") + 1] if "-d" in command else ""
    async with running(folder, HANDRAIL_ENGINE="echo", **given) as served:
        await served.answers(200)
        target = url.removeprefix("http://127.0.0.1:80")
        found = await served.http.post(target, content=body, headers=dict(headers))  # type: ignore[arg-type]
    return found.status_code


@pytest.mark.parametrize(
    "script",
    [
        "typed_answer.py",
        "typed_names_that_are_taken.py",
        "typed_stream.py",
        "typed_parameters.py",
        "pydantic_body.py",
        "pydantic_list.py",
        "no_arguments.py",
        None,
    ],
)
async def test_what_it_offers_is_answered(script: str | None, tmp_path: Path, hints: Hints) -> None:
    """By a handler with a body of its own, by one without any, and by the engine."""
    folder = SCRIPTS if script else tmp_path
    assert await answer(folder, script, words(hints(folder, script))) == 200


async def test_what_a_model_takes_is_offered(tmp_path: Path, hints: Hints) -> None:
    command = words(hints(truss(tmp_path, MODEL)))
    assert command[command.index("-d") + 1] == '{"n": 1}'
    assert await answer(tmp_path, None, command) == 200


@pytest.mark.parametrize("script", ["does_as_told.py", "dict_body.py"])
def test_what_nobody_knows_is_left_to_the_reader(script: str, hints: Hints) -> None:
    """A body of any shape."""
    lines = hints(SCRIPTS, script)
    assert "-d {}" in " ".join(words(lines))
    assert " reads in place of {}" in "\n".join(lines)


def test_an_engine_is_asked_what_it_takes(tmp_path: Path, hints: Hints) -> None:
    """One that embeds knows no messages; what another takes is left to the reader."""
    assert '{"input": "What does /ping do?"}' in words(hints(tmp_path, None, {"input": "/v1/embeddings"}))
    lines = hints(tmp_path, None, {"data": "/pooling"})
    assert words(lines)[-2:] == ["-d", "{}"]
    assert "with what the engine reads in place of {}" in "\n".join(lines)


@pytest.mark.parametrize(
    ("task", "body"),
    [
        ("chat_completion", '{"messages": [{"role": "user", "content": "What does /ping do?"}]}'),
        ("embeddings", '["What does /ping do?"]'),
        ("custom", "{}"),
    ],
)
def test_a_definition_is_asked_what_its_task_takes(task: str, body: str, tmp_path: Path, hints: Hints) -> None:
    (tmp_path / "model.yaml").write_text(DEFINITION.format(task=task))
    (tmp_path / "run.py").write_text("def run_inference(body, environment): return body\n")
    lines = hints(tmp_path, None, {})
    assert words(lines)[-1] == body
    assert ("with what run_inference reads" in "".join(lines)) == (task == "custom")


def test_a_body_that_no_example_fits_is_described_elsewhere(hints: Hints) -> None:
    """A check of the author's own, and a form."""
    assert "BODY," in words(hints(SCRIPTS, "typed_seven_only.py"))
    pytest.importorskip("python_multipart")  # FastAPI's own condition for forms
    assert "multipart/form-data:" in words(hints(SCRIPTS, "takes_a_file.py"))


def test_where_nobody_answers_nothing_is_offered(tmp_path: Path, hints: Hints) -> None:
    assert "nothing at /invocations" in "\n".join(hints(tmp_path, None, {}))


def test_the_page_of_all_routes_is_named(tmp_path: Path, hints: Hints) -> None:
    assert hints(tmp_path)[-1] == "  http://127.0.0.1:80/docs in a browser: all routes"


def test_with_a_key_every_command_has_it(tmp_path: Path, hints: Hints) -> None:
    """The page would be 401 in a browser. The key itself is not shown."""
    lines = hints(tmp_path, HANDRAIL_API_KEY="not-shown")
    assert lines[0] == ", with KEY set to one of the server's keys:"
    assert "Authorization: Bearer $KEY" in words(lines)
    assert "/docs" not in "".join(lines)
    assert "not-shown" not in "".join(lines)
