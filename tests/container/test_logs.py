from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from handrail.redaction import Redactor
from handrail_container import logs

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
        (logging.WARNING, "Invalid HTTP request received.", True),
        (logging.ERROR, "Exception in ASGI application\n", True),
    ],
)
def test_uvicorn_says_what_we_have_not_said(
    capsys: pytest.CaptureFixture[str], level: int, message: str, said: bool
) -> None:
    """Neither its greetings nor that a stream was cut."""
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
