"""While a main guard runs, what would serve an application notes it and returns."""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

#: vLLM's own, whose module has moved more than once.
SERVE_HTTP = "serve_http"
_UVICORN = "uvicorn"
_ADDRESS = ("host", "port", "uds", "fd", "sock", "sockets", "workers", "reload")


@dataclass(frozen=True)
class Captured:
    """An application that the script would serve: itself, or the text that names it. `call` is how, `where` the line.

    `address` are the arguments that say where and how often to listen.
    """

    app: Any
    is_factory: bool
    call: str
    where: str
    address: tuple[str, ...]


@dataclass
class Record:
    """What is captured. `folder` has the script's code; `signals` are places where it sets a handler of signals."""

    folder: Path
    captured: list[Captured] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    others: frozenset[threading.Thread] = frozenset()

    @property
    def is_here(self) -> bool:
        """Whether the script runs in this thread: it is no thread that was there before."""
        return threading.current_thread() not in self.others

    def note(self, call: str, app: Any, words: dict[str, Any]) -> None:
        address = tuple(f"{name}={words[name]!r}" for name in _ADDRESS if words.get(name) is not None)
        self.captured.append(Captured(app, bool(words.get("factory")), call, _line(self.folder), address))

    def note_server(self, call: str, server: Any) -> None:
        config = server.config
        self.note(call, config.app, {"factory": config.factory, "host": config.host, "port": config.port})


@contextmanager
def capturing(folder: Path, modules: Iterable[str]) -> Iterator[Record]:
    """What the script would serve is noted until the end. `modules` are those that have vLLM's `serve_http`."""
    here = threading.current_thread()
    record = Record(folder, others=frozenset(thread for thread in threading.enumerate() if thread is not here))
    put: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, replacement in _replacements(record, modules):
            for holder, key in _holders(owner, name, folder):
                put.append((holder, key, vars(holder)[key]))
                setattr(holder, key, replacement)
        yield record
    finally:
        for holder, key, original in reversed(put):
            setattr(holder, key, original)


def _replacements(record: Record, modules: Iterable[str]) -> Iterator[tuple[Any, str, Any]]:
    yield signal, "signal", _signal(record)
    uvicorn: Any = importlib.import_module(_UVICORN)
    yield uvicorn, "run", _run(record, uvicorn.run)
    yield uvicorn.Server, "run", _server_run(record, uvicorn.Server.run)
    yield uvicorn.Server, "serve", _server_serve(record, uvicorn.Server.serve)
    yield uvicorn.Config, "configure_logging", _configure_logging(record, uvicorn.Config.configure_logging)
    for module in map(sys.modules.__getitem__, modules):
        yield module, SERVE_HTTP, _serve_http(record, getattr(module, SERVE_HTTP))


def _holders(owner: Any, name: str, folder: Path) -> list[tuple[Any, str]]:
    """`owner`, and the modules of the script that have its member under a name of theirs."""
    member = vars(owner)[name]
    found = [(owner, name)]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and isinstance(file, str) and Path(file).is_relative_to(folder):
            found += [(module, key) for key, value in list(vars(module).items()) if value is member]
    return found


def _run(record: Record, original: Callable[..., Any]) -> Callable[..., Any]:
    def run(app: Any, **words: Any) -> Any:
        if not record.is_here:
            return original(app, **words)
        return record.note("uvicorn.run", app, words)

    return run


def _server_run(record: Record, original: Callable[..., Any]) -> Callable[..., Any]:
    def run(server: Any, *given: Any, **words: Any) -> Any:
        if not record.is_here:
            return original(server, *given, **words)
        server.started = True  # a script may wait for it
        return record.note_server("uvicorn.Server.run", server)

    return run


def _server_serve(record: Record, original: Callable[..., Any]) -> Callable[..., Any]:
    async def serve(server: Any, *given: Any, **words: Any) -> Any:
        if not record.is_here:
            return await original(server, *given, **words)
        server.started = True
        return record.note_server("uvicorn.Server.serve", server)

    return serve


def _configure_logging(record: Record, original: Callable[..., Any]) -> Callable[..., Any]:
    def configure_logging(config: Any) -> None:
        if not record.is_here:
            original(config)

    return configure_logging


def _serve_http(record: Record, original: Callable[..., Any]) -> Callable[..., Any]:
    async def serve_http(app: Any, *given: Any, **words: Any) -> Any:
        if not record.is_here:
            return await original(app, *given, **words)
        record.note(SERVE_HTTP, app, words)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        return ended

    return serve_http


def _signal(record: Record) -> Callable[..., Any]:
    original = signal.signal

    def note(number: Any, handler: Any) -> Any:
        files = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(None))
        caller = next(file for file in files if file != __file__)
        if not (record.is_here and Path(caller).is_relative_to(record.folder)):
            return original(number, handler)  # asyncio sets one, and takes it back
        record.signals.append(_line(record.folder))
        return signal.getsignal(number)

    return note


def _line(folder: Path) -> str:
    """The line of the script that is being run; its folder, where a thread runs none."""
    lines = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_stack(None))
    return next((f"{file}:{line}" for file, line in lines if Path(file).is_relative_to(folder)), str(folder))
