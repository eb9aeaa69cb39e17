"""`handrail serve --watch`: the handlers follow the files, and the engine stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Served, eventually, free_port, run

SCRIPT = """
import asyncio
import logging
from pathlib import Path

import helper
from handrail import on_shutdown, on_startup

logger = logging.getLogger("model")


@on_startup
def begin():
    logger.info("hook: VERSION begins")


@on_shutdown
async def end():
    logger.info("hook: VERSION ends")


async def custom_sagemaker_invocation_handler(request):
    body = await request.body()
    while body and not Path(body.decode()).exists():
        await asyncio.sleep(0.01)
    return ["VERSION", helper.VALUE, request.app.state.engine.tokenize("one two")]
"""


class Edited(Served):
    """A server that watches, and the folder it watches."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.write("model.py", SCRIPT.replace("VERSION", "first"))
        self.write("helper.py", "VALUE = 'old'\n")
        super().__init__(folder, log, "--watch", HANDRAIL_ENGINE="echo")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def edit(self, version: str) -> None:
        self.write("model.py", SCRIPT.replace("VERSION", version))

    def answer(self) -> list[Any]:
        answer: list[Any] = self.http.post("/invocations").json()
        return answer

    def becomes(self, first: str, second: str) -> float:
        """How many seconds until it answers so."""
        began = time.monotonic()
        eventually(lambda: self.answer()[:2] == [first, second], f"{first}, {second} in\n{self.stderr}")
        return time.monotonic() - began

    def reloads(self, result: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith(f'handrail_reloads_total{{result="{result}"}}')]
        return float(line.split()[1])


@pytest.fixture
def edited(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edited]:
    served = Edited(tmp_path, tmp_path_factory.mktemp("logs") / "log")
    try:
        yield served.ready()  # type: ignore[misc]
    finally:
        served.stop()


def test_the_handlers_follow_the_files(edited: Edited, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Script, siblings and hooks; what is in flight ends on the old code, and before its shutdown hooks."""
    assert edited.answer()[:2] == ["first", "old"]
    release = tmp_path_factory.mktemp("release") / "now"
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(lambda: edited.http.post("/invocations", content=str(release)).json())
        eventually(lambda: len(threading.enumerate()) > 1, "a request in flight")
        time.sleep(0.1)
        edited.edit("second")
        assert edited.becomes("second", "old") < 5
        assert "hook: first ends" not in edited.stderr
        release.touch()
        assert held.result()[0] == "first"
    edited.write("helper.py", "VALUE = 'newer'\n")
    edited.becomes("second", "newer")
    edited.says("hook: first ends")
    hooks = [line.rpartition("hook: ")[2] for line in edited.stderr.splitlines() if "hook: " in line]
    assert hooks[:3] == ["first begins", "second begins", "first ends"]
    assert (edited.reloads("ok") >= 2, edited.reloads("refused")) == (True, 0)
    assert "reloaded in 0." in edited.stderr


def test_a_broken_edit_keeps_the_old_handlers(edited: Edited) -> None:
    """It prints the fault and counts; the repaired edit is served. A hook that fails is a broken edit."""
    edited.write("helper.py", "VALUE = 'new'\nraise RuntimeError('half an edit')\n")
    eventually(lambda: edited.reloads("refused") == 1, "the refusal")
    assert edited.answer()[:2] == ["first", "old"]
    assert "RuntimeError: half an edit" in edited.stderr
    assert "the edit was refused; the handlers from before go on answering" in edited.stderr
    edited.write("helper.py", "VALUE = 'repaired'\n")
    edited.becomes("first", "repaired")
    broken_hook = SCRIPT.replace("VERSION", "third").replace(
        "def begin():", "def begin():\n    raise OSError('no store')"
    )
    edited.write("model.py", broken_hook)
    eventually(lambda: edited.reloads("refused") == 2, "the second refusal")
    assert "begin failed at start-up: OSError: no store" in edited.stderr
    edited.edit("fourth")
    edited.becomes("fourth", "repaired")
    (edited.folder / "model.py").unlink()
    edited.says("/invocations is answered by the default handler")
    assert edited.http.post("/invocations", json={"prompt": "a b"}).json()["choices"][0]["text"] == "a b"
    assert edited.http.get("/ping").status_code == 200


def test_an_edit_of_requirements_says_to_restart(edited: Edited) -> None:
    """Also one that is served, and the one of a Truss's config; what is there, or is no package's name, is not said."""
    edited.write("requirements.txt", "--prefer-binary\nhttpx\n")
    edited.says("reloaded in")
    assert "restart it" not in edited.stderr
    edited.write("requirements.txt", "httpx\nno-such-package-a\nx @ https://example.org/x.whl\n")
    restart = "requirements are installed when the server starts: restart it to install "
    edited.says(restart + "requirements.txt:2: no-such-package-a\n")
    edited.write("config.yaml", "requirements:\n  - no-such-package-b\n")
    both = "requirements.txt:2: no-such-package-a, config.yaml:2: no-such-package-b\n"
    edited.says(restart + both)
    assert edited.reloads("refused") == 0
    edited.write("model.py", "import no_such_package_a\n")
    eventually(lambda: edited.reloads("refused") == 1, "the refusal")
    refused = "the edit was refused; the handlers from before go on answering"
    edited.says(refused)
    eventually(lambda: both in edited.stderr.partition(refused)[2], "what to do about it")
    assert edited.answer()[:2] == ["first", "old"]


def test_a_directory_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    """A wrong setting, said at once."""
    served = run(
        "serve", "--watch", "--engine", "echo", "--port", str(free_port()), SAGEMAKER_MODEL_PATH=str(tmp_path / "no")
    )
    assert served.returncode == 2
    assert f"handrail: --watch: there is no directory {tmp_path / 'no'} to watch" in served.stderr
