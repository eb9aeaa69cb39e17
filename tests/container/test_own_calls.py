"""A refusal by the engine: the client's 4xx, and a line in the log where the handler made the body."""

from __future__ import annotations

import io
import json
import logging

import pytest
from handrail.core.calling import adapt
from handrail.core.redaction import Redactor
from handrail.core.slots import Slot
from handrail_container.cli import invoke
from handrail_container.cli.question import Question
from handrail_container.cli.transcript import Transcript
from handrail_container.http.own_calls import own_call
from handrail_container.settings.environment import read
from starlette.exceptions import HTTPException

from tests.servers import SCRIPTS

SCRIPT = SCRIPTS / "asks_wrongly.py"
LINES = {
    "builds": 'await engine.chat_completions(model_input={"prompt": body',
    "builds_of_nothing": 'await engine.completions(model_input={"text"',
    "builds_from_bytes": "asyncio.gather",
    "builds_from_a_model": "model_input=body)",
    "builds_for_anything": 'model_input={"prompt": "a"}',
}


async def ask(name: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """The status of the answer."""
    monkeypatch.setenv("CUSTOM_SCRIPT_FILENAME", SCRIPT.name)
    monkeypatch.setenv("CUSTOM_FASTAPI_INVOCATION_HANDLER", f"model:{name}")
    out = io.BytesIO()
    await invoke.invoke_directory(
        read(model_path=SCRIPTS, engine="echo"), Question(body), Transcript(out, Redactor(), live=False)
    )
    return int(json.loads(out.getvalue())["error"]["code"])


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(SCRIPT.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize("name", LINES)
async def test_a_body_of_the_handler_s_making_is_told_in_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client has its 400 all the same, as it may be its fault."""
    assert await ask(name, b'{"text": "a"}', monkeypatch) == 400
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.message.startswith(f"{SCRIPT}:{line_of(LINES[name])}: the engine refused what engine.")
    assert "a body that is not the client's own" in record.message


@pytest.mark.parametrize("name", ["passes_on", "passes_on_more", "passes_on_bytes", "passes_on_a_model"])
@pytest.mark.parametrize("body", [b'{"text": "a"}', b'{"text": "hunter2", "messages": 3}'])
async def test_a_body_of_the_client_s_is_the_client_s(
    name: str, body: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With what the handler adds to it."""
    assert await ask(name, body, monkeypatch) == 400
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_what_the_handler_refuses_itself_is_its_own_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask("refuses_itself", b"{}", monkeypatch) == 400
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_nothing_is_said_where_nothing_is_known() -> None:
    """Of an exception that came by no handler, and of one that is written in C."""

    def plain() -> None: ...

    assert own_call(HTTPException(400), adapt(plain, Slot.INVOCATION), SCRIPTS) is None
