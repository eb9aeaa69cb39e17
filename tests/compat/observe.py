"""Running scenarios: what a server did, and where that differs from what was expected of it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.compat.launchers import Launcher, Server
from tests.compat.table import UNSAID, Answer, Ask, Outcome, Refuses, Scenario, Serves


@dataclass(frozen=True)
class Seen:
    """One answer; `status` is 0 where the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return UNSAID


@dataclass(frozen=True)
class Observed:
    """What a server did in one scenario: `exit_status` is None where it started, and then `answers` are in order."""

    folder: str
    log: str
    exit_status: int | None = None
    answers: tuple[tuple[Ask, Seen], ...] = ()
    started_s: float = 0


def observe(launcher: Launcher, scenarios: Sequence[tuple[Scenario, Outcome]]) -> dict[str, Observed]:
    """Run scenarios that start the same way on one server. By name; each with the outcome whose requests are sent."""
    first, _ = scenarios[0]
    with tempfile.TemporaryDirectory(prefix="compat-") as parent:
        folder = write(Path(parent) / "model", first.files)
        given = {name: value.replace("{folder}", str(folder)) for name, value in first.environment.items()}
        began = time.monotonic()
        server = Server(launcher, folder, given)
        answers: dict[str, tuple[tuple[Ask, Seen], ...]] = {}
        with closing(_Stopping(server)):
            status = server.exit_status(while_loading=first.while_loading)
            started_s = time.monotonic() - began
            if status is None:
                answers = {scenario.name: _ask(server.http, outcome) for scenario, outcome in scenarios}
        return {
            scenario.name: Observed(str(folder), server.log, status, answers.get(scenario.name, ()), started_s)
            for scenario, _ in scenarios
        }


class _Stopping:
    def __init__(self, server: Server) -> None:
        self.close = server.stop


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _ask(http: httpx.Client, outcome: Outcome) -> tuple[tuple[Ask, Seen], ...]:
    asks = [ask for ask, _ in outcome.exchanges] if isinstance(outcome, Serves) else []
    return tuple((ask, _answer(http, ask)) for ask in asks)


def _answer(http: httpx.Client, ask: Ask) -> Seen:
    if ask.method == "WS":
        return _conversation(http.base_url.copy_with(scheme="ws", raw_path=ask.path.encode()), ask)
    with ThreadPoolExecutor(ask.at_once) as pool:
        return list(pool.map(lambda _: _request(http, ask), range(ask.at_once)))[-1]


def _request(http: httpx.Client, ask: Ask) -> Seen:
    if ask.leaves_after_s is not None:
        return _left(http, ask, ask.leaves_after_s)
    try:
        answer = http.request(ask.method, ask.path, content=ask.body, headers=ask.headers)
    except httpx.TransportError as error:
        return Seen(0, {}, str(error).encode())
    return Seen(answer.status_code, answer.headers, answer.content)


def _left(http: httpx.Client, ask: Ask, after_s: float) -> Seen:
    """Nothing, whatever has come by then."""
    leaves_at = time.monotonic() + after_s
    with (
        suppress(httpx.TransportError),
        http.stream(ask.method, ask.path, content=ask.body, headers=ask.headers, timeout=after_s) as answer,
    ):
        for _ in answer.iter_raw():
            if time.monotonic() > leaves_at:
                break
    return Seen(0, {}, b"")


def _conversation(url: httpx.URL, ask: Ask) -> Seen:
    """Say one thing and hear until the end; the body is what was heard, a line each, and the reason."""
    heard: list[str] = []
    try:
        with connect(str(url), additional_headers=dict(ask.headers), proxy=None) as socket:
            socket.send((ask.body or b"").decode())
            while True:
                heard.append(str(socket.recv(timeout=30)))
    except InvalidStatus as refused:
        return Seen(refused.response.status_code, dict(refused.response.headers), refused.response.body or b"")
    except ConnectionClosed as closed:
        end = closed.rcvd
        return Seen(end.code if end else 0, {}, "\n".join([*heard, end.reason if end else ""]).encode())


def differences(expected: Outcome, observed: Observed) -> list[str]:
    """Each way in which what was seen is not what was expected, in words."""
    found = list(_unlike(expected, observed))
    missing = [text for text in expected.says if text not in observed.log]
    return found + [f"its log does not say {text!r}:\n{observed.log}" for text in missing]


def _unlike(expected: Outcome, observed: Observed) -> Iterator[str]:
    status = observed.exit_status
    if isinstance(expected, Refuses):
        if status is None:
            yield f"it started\n{observed.log}"
        elif status != expected.status and not (expected.status is None and status):
            yield f"it ended with {status}, not {expected.status}\n{observed.log}"
    elif status is not None:
        yield f"it did not start: {status}\n{observed.log}"
    else:
        for (ask, answer), (_, seen) in zip(expected.exchanges, observed.answers, strict=True):
            yield from (f"{ask}: {fault}" for fault in _faults(answer, seen))


def _faults(expected: Answer, seen: Seen) -> Iterator[str]:
    body = seen.body.decode(errors="replace")
    if seen.status != expected.status:
        yield f"{seen.status}, not {expected.status}: {body}"
    if expected.json is not UNSAID and not _includes(seen.json, expected.json):
        yield f"{body}, not {expected.json!r}"
    if expected.text not in body:
        yield f"{body!r} lacks {expected.text!r}"
    if expected.without and expected.without in body:
        yield f"{body!r} has {expected.without!r}"
    for name, value in expected.headers.items():
        if seen.headers.get(name) != value:
            yield f"{name} is {seen.headers.get(name)!r}, not {value!r}"
    yield from (f"{name} is there" for name in expected.absent if name in seen.headers)


def _includes(seen: Any, expected: Any) -> bool:
    """Whether `seen` is `expected`, but for keys of objects that are not named."""
    if isinstance(expected, dict):
        return isinstance(seen, dict) and all(
            key in seen and _includes(seen[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(seen, list) and len(seen) == len(expected) and all(map(_includes, seen, expected))
    return bool(seen == expected and type(seen) is type(expected))
