"""AWS for tests of `handrail deploy`, and the command itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from botocore import session
from click.testing import CliRunner, Result
from handrail_container.cli import main

from tests.aws import ROLE, Aws

Deploy = Callable[..., Result]
#: What an endpoint needs.
NEEDED = {
    "--name": "demo",
    "--image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/handrail:1",
    "--role": ROLE,
    "--bucket": "files",
    "--instance-type": "ml.m5.xlarge",
}


@pytest.fixture(scope="session")
def _one_aws() -> Iterator[Aws]:
    """boto3 reads its files once for all tests: most of a command's second goes into them."""
    with pytest.MonkeyPatch.context() as patch, Aws().running() as aws:
        patch.setattr(session, "create_loader", cache(session.create_loader))
        yield aws


@pytest.fixture
def aws(_one_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """As new, and what boto3 asks."""
    _one_aws.reset()
    for name, value in _one_aws.environment().items():
        monkeypatch.setenv(name, value)
    return _one_aws


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model directory."""
    (tmp_path / "model.py").write_text("def custom_sagemaker_invocation_handler(): ...\n")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "part-1").write_bytes(b"1" * 100)
    (tmp_path / ".env").write_text("SECRET=1")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "model.pyc").write_bytes(b"x")
    return tmp_path


@pytest.fixture
def deploy(folder: Path) -> Iterator[Deploy]:
    """`handrail deploy FOLDER` with what it needs; a flag given as None is left out. Unless a test is about that,
    nobody checks it first: that is a process more."""
    heeded = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(*arguments: str, checks: bool = False, **given: str | None) -> Result:
        flags = {**NEEDED, **{"--" + name.replace("_", "-"): value for name, value in given.items()}}
        words = [word for name, value in flags.items() if value is not None for word in (name, value)]
        return CliRunner().invoke(
            main, ["deploy", str(folder), *words, *arguments, *([] if checks else ["--no-check"])]
        )

    yield run
    for number, handler in heeded.items():
        signal.signal(number, handler)
