from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any

import pytest
from handrail.core.redaction import Redactor
from handrail_container.process import log_lines, logs, report

NAMES = ["httpx", "uvicorn.error"]


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger without handlers (pytest puts its own there); everything is as it was afterwards."""
    root, others = logging.getLogger(), [logging.getLogger(name) for name in NAMES]
    level, handlers = root.level, root.handlers[:]
    before = [(other.level, other.filters[:]) for other in others]
    root.handlers.clear()
    try:
        yield root
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.captureWarnings(False)
        for other, (its_level, filters) in zip(others, before, strict=True):
            other.setLevel(its_level)
            other.filters[:] = filters


def test_user_loggers_are_seen_at_the_level_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, through the root logger."""
    with bare_root():
        logs.configure("INFO", "plain", Redactor())
        logging.getLogger("their.own").info("said")
        logging.getLogger("their.own").debug("not said")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.rstrip().endswith("INFO    their.own: said")
    assert "not said" not in written.err


def test_a_handler_that_is_there_already_is_left_alone() -> None:
    """Who embeds the server has chosen; it is also how configuring twice does not double the lines."""
    theirs = logging.NullHandler()
    with bare_root() as root:
        root.addHandler(theirs)
        logs.configure("DEBUG", "plain", Redactor())
        assert root.handlers == [theirs]
        assert root.level == logging.DEBUG


@pytest.mark.parametrize(("level", "seen"), [("DEBUG", logging.WARNING), ("ERROR", logging.ERROR)])
def test_httpx_says_no_line_a_request(level: str, seen: int) -> None:
    """What a script calls is its own business."""
    with bare_root():
        logs.configure(level, "plain", Redactor())
        assert logging.getLogger("httpx").level == seen


@pytest.mark.parametrize(
    ("level", "message", "said"),
    [
        (logging.INFO, "Started server process [1]", False),
        (logging.ERROR, "ASGI callable returned without completing response.", False),
        (logging.WARNING, "Invalid HTTP request received.", False),
        (logging.WARNING, "Unsupported upgrade request.", False),
        (logging.WARNING, "something else", True),
        (logging.ERROR, "Exception in ASGI application\n", True),
    ],
)
def test_uvicorn_says_what_we_have_not_said(
    capsys: pytest.CaptureFixture[str], level: int, message: str, said: bool
) -> None:
    """Neither its greetings nor that a stream was cut or a request refused."""
    with bare_root():
        logs.configure("DEBUG", "plain", Redactor())
        logging.getLogger("uvicorn.error").log(level, message)
    assert (message.strip() in capsys.readouterr().err) is said


def test_no_line_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes it, whatever it is in: arguments, a traceback."""
    redactor = Redactor()
    with bare_root():
        logs.configure("INFO", "plain", redactor)
        redactor.hide("s3cret")
        logging.getLogger("their.own").info("the key is %s", "s3cret")
        try:
            raise ValueError("bad key " + "s3cret")
        except ValueError:
            logging.getLogger("their.own").exception("failed")
    written = capsys.readouterr().err
    assert "the key is ***" in written
    assert "ValueError: bad key ***" in written
    assert "s3cret" not in written


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What standard error has of each line."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_for_machines_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    """What a record says, with what its logger added to it; a name of ours is not theirs to take."""
    with bare_root():
        logs.configure("INFO", "json", Redactor())
        extras = {"tokens": 3, "level": "theirs", "vllm_process_name": "MainProcess", "color_message": "x"}
        logging.getLogger("their.own").warning("two\nlines: %s", "é", extra=extras)
    (line,) = said(capsys)
    age = datetime.now(UTC) - datetime.fromisoformat(line.pop("time"))
    assert 0 <= age.total_seconds() < 60
    assert line == {"level": "WARNING", "logger": "their.own", "message": "two\nlines: é", "tokens": 3}


def test_what_was_raised_is_one_string(capsys: pytest.CaptureFixture[str]) -> None:
    """By `exception`, or where a message ends in a traceback that the record has as well."""
    with bare_root():
        logs.configure("INFO", "json", Redactor())
        try:
            raise LookupError("theirs")
        except LookupError:
            logging.getLogger("a").exception("it failed")
        logging.getLogger("b").error("%s\n%s", "head", "the trace", extra={"traceback": "the trace"})
    first, second = said(capsys)
    assert first["message"] == "it failed"
    assert first["traceback"].startswith("Traceback (most recent call last):\n")
    assert first["traceback"].endswith("\nLookupError: theirs")
    assert (second["message"], second["traceback"]) == ("head", "the trace")


def test_a_line_of_vllm_s_processes_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own formatter would have said so."""
    with bare_root():
        logs.configure("INFO", "json", Redactor())
        logging.getLogger("vllm.core").info("up", extra={"vllm_process_name": "EngineCore"})
    (line,) = said(capsys)
    assert line["process"] == "EngineCore"


@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_line_has_the_request_s_id_once(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Whoever logs it, in whatever thread or task works for the request; elsewhere there is none."""

    def work() -> None:
        log_lines.request_id.set("abc-1")
        logging.getLogger("their.own").info("said")
        logging.getLogger("ours").info("said, request_id=abc-1")

    with bare_root():
        logs.configure("INFO", form, Redactor())
        copy_context().run(work)
        logging.getLogger("ours").info("another")
    lines = capsys.readouterr().err.splitlines()
    assert ["abc-1" in line for line in lines] == [True, True, False]
    if form == "json":
        assert [json.loads(line).get("request_id") for line in lines] == ["abc-1", "abc-1", None]
    else:
        assert [line.count("abc-1") for line in lines] == [1, 1, 0]


def test_no_text_of_a_client_s_looks_like_a_plain_record(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in a message nor in the message of an exception, by whatever ends a line or moves the cursor."""
    forged = "x\t\n12:00:00 INFO    handrail: FORGED\x1b[31m\r\x9b2K\x85\u2028\x0b\x00\x7fü"
    with bare_root():
        logs.configure("INFO", "plain", Redactor())
        logging.getLogger("a").info("said %s", forged)
        try:
            raise LookupError(forged)
        except LookupError:
            logging.getLogger("b").exception("failed")
        logging.getLogger("c").error("%s\n%s", "head", f"Traceback\n  File\nLookupError: {forged}")
    written = capsys.readouterr().err
    lines = written.splitlines()
    assert written.split("\n")[:-1] == lines
    assert [line.split()[2] for line in lines if not line.startswith("    ")] == ["a:", "b:", "c:"]
    assert {line for line in lines if "FORGED" in line} == {
        r"    12:00:00 INFO    handrail: FORGED\x1b[31m\r\x9b2K\x85\u2028\x0b\x00\x7fü"
    }
    assert "    Traceback (most recent call last):" in lines
    assert "    LookupError: x\t" in lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stderr", "is_json"), [(Terminal, False), (io.StringIO, True)])
def test_by_itself_it_is_plain_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stderr: type[io.StringIO], is_json: bool
) -> None:
    """HANDRAIL_LOG_FORMAT=auto."""
    monkeypatch.setattr(sys, "stderr", stderr())
    with bare_root():
        logs.configure("INFO", "auto", Redactor())
        assert logs.is_json() is is_json


def test_python_s_own_warnings_are_objects_too(capsys: pytest.CaptureFixture[str]) -> None:
    """They would be two lines that no machine can read."""
    with bare_root(), warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("INFO", "json", Redactor())
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = said(capsys)
    assert line["logger"] == "py.warnings"
    assert "DeprecationWarning: old" in line["message"]


def test_a_refusal_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    """At a level that hides all but what is critical."""
    with bare_root():
        logs.configure("CRITICAL", "json", Redactor())
        report.say("handrail: no")
    (line,) = said(capsys)
    assert (line["level"], line["message"]) == ("CRITICAL", "handrail: no")


def test_the_request_s_id_costs_next_to_nothing() -> None:
    """A request sets it once."""
    began = time.process_time()
    for _ in range(100_000):
        log_lines.request_id.set("abc-1")
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize("error", [SystemExit(6), KeyboardInterrupt(), LookupError("theirs")])
def test_what_a_thread_raises_is_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    """An exit too, of which Python says nothing; the traceback has the line."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def fail() -> None:
        raise error

    with bare_root():
        logs.configure("INFO", "json", Redactor())
        logs.log_what_threads_raise()
        thread = threading.Thread(target=fail, name="theirs")
        thread.start()
        thread.join()
        threading.excepthook(threading.ExceptHookArgs((LookupError, None, None, None)))
    line, nameless = said(capsys)
    assert line["message"] == f"thread 'theirs' ended with {error!r}; the server goes on"
    assert f"{__file__}" in line["traceback"]
    assert nameless["message"] == "thread '?' ended with LookupError(); the server goes on"
