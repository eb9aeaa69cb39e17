"""What was begun is ended: in reverse, all of it, each part within its time, also where the start had failed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from handrail_container.engine.echo.backend import EchoBackend
from handrail_container.engine.echo.client import Pace
from handrail_container.gate.gate import Gate, InFlight
from handrail_container.gate.lifecycle import Lifecycle, State
from handrail_container.process import children
from handrail_container.process.exits import EngineDeadError, ExitCode, SettingsError
from handrail_container.program.load import load_program
from handrail_container.routes.application import create_app
from handrail_container.server import composition, serving
from handrail_container.server.serving import Serving, StartRefused
from handrail_container.server.startup import Startup
from handrail_container.server.teardown import Teardown, ends_within
from handrail_container.settings.fields import Settings

from tests.conftest import Launch
from tests.servers import eventually

HOOKS = """
from handrail import on_shutdown, on_startup

@on_startup
def first(): print("first up", flush=True)

@on_startup
def second(): {second}

@on_shutdown
def down(): print("down", flush=True)

@on_shutdown
def fails(): raise SystemExit("at its end")
"""
MODEL = """
class Model:
    def load(self): {load}
    def predict(self, request): return 1
"""


async def test_all_is_ended_the_last_first_though_parts_fail(caplog: pytest.LogCaptureFixture) -> None:
    """One raises, one is over its time and heeds its end, one is deaf to it; each is named in the log."""
    ended, release = list[str](), asyncio.Event()

    async def part(name: str) -> None:
        ended.append(name)
        if name == "raises":
            raise LookupError("of its own")
        if name == "is late":
            await asyncio.sleep(60)

    async def deaf() -> None:
        ended.append("is deaf")
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    ends = Teardown(heed_s=0.05)
    ends.push("plain", lambda: ended.append("plain"), 1)
    ends.push("last", lambda: part("last"), None)
    for name in ("raises", "is late"):
        ends.push(name, lambda name=name: part(name), 0.05)
    ends.push("is deaf", deaf, 0.05)
    ends.push("exits", lambda: asyncio.current_task().cancel(), 1)  # type: ignore[union-attr]
    await ends.run()
    await ends.run()
    release.set()
    assert ended == ["is deaf", "is late", "raises", "last", "plain"]
    for said in ("raises failed to end", "is late did not end within 0.05 s", "is deaf did not end within 0.05 s"):
        assert said in caplog.text


def test_a_teardown_that_blocks_the_loop_ends_with_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And one that does not is never heard of again."""
    codes: list[int] = []
    monkeypatch.setattr(children, "exit_with", codes.append)
    with ends_within(0.05, ExitCode.SCRIPT):
        eventually(lambda: codes, "the end")
    with ends_within(60, 1):
        pass
    assert codes == [ExitCode.SCRIPT]
    assert "has not stopped within 0.05 s" in caplog.text
    eventually(lambda: not any(isinstance(t, threading.Timer) for t in threading.enumerate()), "the timers to end")


def write(folder: Path, second: str = "pass", load: str = "pass") -> None:
    (folder / "model.py").write_text(HOOKS.format(second=second) + MODEL.format(load=load))


@pytest.mark.parametrize(
    ("faulty", "told"), [({"load": "1 / 0"}, "load failed"), ({"second": "raise KeyboardInterrupt"}, "second failed")]
)
def test_what_began_is_ended_where_the_start_fails(
    launch: Launch, tmp_path: Path, faulty: dict[str, str], told: str
) -> None:
    """The shutdown hooks run, one that fails keeps none from its turn, and the status is the script's: 3."""
    write(tmp_path, **faulty)
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert [line for line in served.stdout.splitlines() if line in ("first up", "down")] == ["first up", "down"]
    assert told in served.stderr
    assert "fails failed at shutdown" in served.stderr


def test_what_began_is_ended_where_a_signal_ends_the_start(launch: Launch, tmp_path: Path) -> None:
    """While the Model loads; the status is 0."""
    write(tmp_path, load="__import__('time').sleep(600)")
    served = launch(tmp_path)
    eventually(lambda: "first up" in served.stdout, "the start-up hook")
    eventually(lambda: served.http.get("/ping").json()["error"]["message"] == "the Model is loading", "the Model")
    served.signal()
    assert served.exit_code() == 0
    assert served.stdout.splitlines() == ["first up", "down"]


def test_where_nothing_began_nothing_is_ended(launch: Launch, tmp_path: Path) -> None:
    """A first start-up hook that fails has begun nothing that others would end."""
    (tmp_path / "model.py").write_text(HOOKS.replace("def first(): ", "def first(): raise LookupError; "))
    served = launch(tmp_path)
    assert served.exit_code() == 3
    assert served.stdout == ""


class Edits:
    """A program in this process that is edited and reloaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(SAGEMAKER_MODEL_PATH=folder, HANDRAIL_ENGINE="none", HANDRAIL_DRAIN_S=60)
        self.gate: Gate = composition.create_gate(self.settings, Lifecycle())
        backend = EchoBackend(Pace(), "echo")
        app = create_app(backend)
        self.serving = Serving(self.settings, self.gate, backend, app, 0)

    async def begin(self) -> None:
        await self.serving.begin(load_program(self.settings))


@pytest.fixture
async def edits(tmp_path: Path) -> Edits:
    write(tmp_path)
    edits = Edits(tmp_path)
    await edits.begin()
    return edits


async def test_a_refused_edit_leaves_nothing_behind(edits: Edits, capfd: pytest.CaptureFixture[str]) -> None:
    """Its start-up is undone each time; those from before go on, and end once."""
    for _ in range(3):
        write(edits.folder, load="1 / 0")
        await edits.serving.reload()
    assert capfd.readouterr().out.splitlines() == 3 * ["first up", "down"]
    assert edits.gate.lifecycle.reloads == {"ok": 0, "refused": 3}
    await edits.serving.end()
    assert capfd.readouterr().out.split() == ["down"]


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
async def test_a_bug_in_a_reload_ends_nothing(
    edits: Edits, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Whatever it raises: it is logged as ours, the modules are those from before, and the next edit is served."""
    import sys

    before, opened = sys.modules["model"], edits.gate._opened

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(serving.table, "routes", fail)
        await edits.serving.reload()
    assert "a bug in Handrail: the edit cannot be served" in caplog.text
    assert (sys.modules["model"], edits.gate._opened) == (before, opened)
    assert edits.gate.lifecycle.reloads == {"ok": 0, "refused": 1}
    await edits.serving.reload()
    assert edits.gate.lifecycle.reloads["ok"] == 1
    await edits.serving.end()


async def test_a_reload_that_is_cancelled_restores_the_modules(edits: Edits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stops meanwhile: what a handler imports at its end is what it knew."""
    import sys

    before, loading = sys.modules["model"], threading.Event()

    def load(settings: Settings) -> None:
        loading.set()
        time.sleep(0.2)

    monkeypatch.setattr(serving, "load_program", load)
    reloading = asyncio.create_task(edits.serving.reload())
    while not loading.is_set():
        await asyncio.sleep(0.01)
    reloading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reloading
    assert sys.modules["model"] is before
    await edits.serving.end()


async def test_at_the_end_nobody_waits_for_requests_of_a_program_that_was_replaced(edits: Edits) -> None:
    """They are over or given up by then; its hooks run, before those of the newest."""
    edits.gate.requests.count = 1
    await edits.serving.reload()
    assert isinstance(edits.gate.requests, InFlight)
    assert edits.gate.requests.total == 1
    await asyncio.wait_for(edits.serving.end(), 30)


class Told:
    """A start whose failures are told."""

    def __init__(self) -> None:
        self.lifecycle = Lifecycle()
        self.lifecycle.move(State.LOADING, "it is loading")
        settings = Settings()
        gate = composition.create_gate(settings, self.lifecycle)
        self.startup = Startup(settings, self.lifecycle, gate, EchoBackend(Pace(), "echo"))


@pytest.mark.parametrize("order", [1, -1])
def test_each_of_several_failures_is_told(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, order: int
) -> None:
    """Whatever they are grouped in; the status is that of the engine's death, in either order."""
    errors = [LookupError("a bug"), EngineDeadError("its process ended"), SettingsError("A is wrong.")]
    told, group = Told(), ExceptionGroup("both", errors[::order])
    assert told.startup.failed(ExceptionGroup("outer", [group, StartRefused()])) is ExitCode.ENGINE_DEAD
    err = capsys.readouterr().err
    assert "handrail: its process ended" in err
    assert "handrail: A is wrong." in err
    assert [r.exc_info[1] for r in caplog.records if r.levelno == logging.CRITICAL and r.exc_info] == [errors[0]]
    assert told.lifecycle.reason == "its process ended"
