"""How `handrail emulate` ends, and what becomes of its container and of requests that are under way."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import EventStreamError
from urllib3.exceptions import ProtocolError

from tests.conftest import Launch
from tests.container.emulate.conftest import SCRIPT, Emulate
from tests.servers import SCRIPTS, eventually

pytestmark = pytest.mark.slow


def test_a_dead_container_is_unavailable(start: Emulate) -> None:
    """The request that killed it has a model error, the next ones a 503; stopping is still clean."""
    emulated = start(SCRIPTS, "--engine", "echo", **SCRIPT).ready()
    assert emulated.refusal({"do": "die"})["OriginalStatusCode"] == 0
    refused = emulated.refusal({"do": "headers"})
    assert (refused["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503)
    emulated.says("the container ended with status -9")
    assert emulated.stop() == 0


def test_a_container_that_does_not_start_ends_it_with_its_status(start: Emulate) -> None:
    """And with its words."""
    emulated = start(SCRIPTS, "--engine", "echo", CUSTOM_SCRIPT_FILENAME="missing_import.py")
    assert emulated.exit_code() == 3
    emulated.says("the container ended with status 3 before /ping was 200")
    emulated.says("missing_import.py")


def test_a_container_that_is_too_slow_to_start_ends_it(start: Emulate, tmp_path: Path) -> None:
    """As the platform gives up a container after eight minutes."""
    given = {"HANDRAIL_ECHO_LOAD_S": "600"}
    emulated = start(tmp_path, "--engine", "echo", "--startup-timeout", "2", **given)
    emulated.says("endpoint_url")
    assert emulated.refusal({"prompt": "early"})["Code"] == "ServiceUnavailable"
    assert emulated.exit_code() == 4
    emulated.says("/ping was not 200 within 2 s: ")


def test_stopping_it_stops_the_container(start: Emulate, tmp_path: Path) -> None:
    """By SIGTERM, which it hears: its end is in the log."""
    emulated = start(tmp_path, "--engine", "echo").ready()
    (container,) = psutil.Process(emulated.process.pid).children()
    assert emulated.stop() == 0
    assert not container.is_running()
    assert "it is being stopped" in emulated.output
    assert "WARNING" not in emulated.output  # nothing has failed


def test_what_is_under_way_when_it_stops_is_answered(start: Emulate) -> None:
    """As the platform, which sends nothing more to a container that it stops, and gives it time."""
    emulated = start(SCRIPTS, "--engine", "echo", **SCRIPT).ready()
    events = iter(emulated.stream({"do": "beat", "beats": 8, "seconds": 0.5})["Body"])
    next(events)
    emulated.process.send_signal(signal.SIGTERM)
    emulated.says("it is being stopped")
    assert emulated.refusal({"do": "headers"})["Code"] == "ServiceUnavailable"
    assert b"".join(event["PayloadPart"]["Bytes"] for event in events) == b"1;2;3;4;5;6;7;"
    assert emulated.exit_code() == 0


def test_a_second_signal_ends_it_at_once(start: Emulate) -> None:
    """The container hears both."""
    emulated = start(SCRIPTS, "--engine", "echo", **SCRIPT).ready()
    stream = emulated.stream({"do": "beat", "beats": 10_000, "seconds": 0.5})["Body"]
    events = iter(stream)
    next(events)
    began = time.monotonic()
    emulated.process.send_signal(signal.SIGINT)
    emulated.says("it is being stopped")
    emulated.process.send_signal(signal.SIGINT)
    with pytest.raises(EventStreamError):
        list(events)
    stream.close()
    assert (emulated.exit_code(), time.monotonic() - began < 25) == (0, True)


def test_what_waits_for_a_target_when_it_stops_is_told(start: Emulate, launch: Launch) -> None:
    """The target lives on; nothing of ours is in the log but words."""
    served = launch(SCRIPTS, **SCRIPT).ready()
    emulated = start("--target", served.url).ready()
    stream = emulated.stream({"do": "beat", "beats": 10_000, "seconds": 0.5})["Body"]
    events = iter(stream)
    next(events)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(emulated.refusal, {"do": "sleep", "seconds": 60})
        eventually(lambda: "handrail_in_flight 2.0" in served.http.get("/metrics").text, "both to be under way")
        emulated.process.send_signal(signal.SIGTERM)
        refused = waiting.result()
    with pytest.raises(ProtocolError):
        list(events)
    stream.close()
    assert (refused["Code"], "the emulator is being stopped" in refused["Message"]) == ("ServiceUnavailable", True)
    assert (emulated.exit_code(), "Traceback" in emulated.output) == (0, False)
    assert served.first_answer().status_code == 200
