"""`handrail invoke`: one request, to a server or to a model directory without one."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from handrail.core.slots import Moment, Slot
from handrail.resolve import Program
from handrail.styles.definition.stages import Stage, observe_with
from starlette.types import Message, Scope

from handrail_container.cli.question import Question, method_of
from handrail_container.cli.transcript import Transcript
from handrail_container.engine import opening
from handrail_container.gate.gate import Gate
from handrail_container.gate.lifecycle import Lifecycle
from handrail_container.process import own_address
from handrail_container.process.exits import ExitCode
from handrail_container.process.report import say
from handrail_container.server import composition
from handrail_container.server.listener import Listener, bind
from handrail_container.server.startup import Startup
from handrail_container.settings.fields import Settings

if TYPE_CHECKING:
    import httpx

_LOOPBACK = "127.0.0.1"
#: How HTTP clients report a refused connection.
_UNREACHED = re.compile(r"ConnectError|ConnectionRefused|Connection refused|connection attempts failed", re.IGNORECASE)
_NOT_SERVED = (
    "handrail: it could not connect. If it asks this server: `handrail invoke` listens on no port. Serve it "
    "(handrail serve DIR) and invoke its URL, or ask the engine without one: take a parameter of the type "
    "handrail.Engine, or, in run_inference, one named engine"
)
_NAMES = {Stage.PROCESS_INPUT: "input", Stage.RUN: "snippet", Stage.PROCESS_OUTPUT: "output"}


async def unless_stopped(work: Coroutine[Any, Any, ExitCode]) -> int:
    """Await `work`; if a signal stops it, return the shell's status for that signal (128 + its number)."""
    loop, working, heard = asyncio.get_running_loop(), asyncio.ensure_future(work), list[int]()

    def stop(number: int) -> None:
        heard.append(number)
        working.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        return await working
    except asyncio.CancelledError:
        return 128 + heard[0]


async def invoke_url(url: str, question: Question, transcript: Transcript) -> ExitCode:
    """Send the request to a server, at `/invocations` if `url` has no path."""
    import httpx

    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        say(f"handrail: {url!r} is not a URL: {error}")
        return ExitCode.SETTINGS
    if question.path is not None:
        address = address.copy_with(raw_path=question.target.encode())
    elif address.path == "/":
        address = address.copy_with(path=Slot.INVOCATION.path)
    method = question.method or method_of(address.path)
    asking = httpx.Request(method, address, content=question.body, headers=question.headers)
    try:
        async with httpx.AsyncClient(timeout=None) as client:
            response = await client.send(asking, stream=True)
            transcript.began(response.status_code, response.headers.get("content-type", ""))
            with contextlib.suppress(httpx.RemoteProtocolError):  # the transcript shows that the answer was cut
                await _follow(response, transcript)
    except httpx.HTTPError as error:
        say(f"handrail: {address} gives no answer: {error or type(error).__name__}")
        return ExitCode.BUG
    return _code(transcript)


async def _follow(response: httpx.Response, transcript: Transcript) -> None:
    async for piece in response.aiter_bytes():
        transcript.piece(piece)
    transcript.completed()


async def invoke_directory(
    settings: Settings, question: Question, transcript: Transcript, fallback_model: Path | None = None
) -> ExitCode:
    """Start as for serving, but without a public port, send the request through the gate, and stop. Raises
    SettingsError."""
    lifecycle = Lifecycle()
    gate = composition.create_gate(settings, lifecycle)
    startup = Startup(settings, lifecycle, gate, opening.open_backend(settings, fallback_model))
    try:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(startup.backend.stop)
            stack.callback(asyncio.create_task(gate.sweep()).cancel)
            await _begin(startup, transcript, stack)
            await ask(gate, question, transcript, settings.drain_s)
            code = _code(transcript)
            if code and transcript.tells(_UNREACHED):
                say(_NOT_SERVED)
            return code
    except Exception as error:  # noqa: BLE001  a refusal or our bug: `failed` reports which
        return startup.failed(error)


async def _begin(startup: Startup, transcript: Transcript, stack: contextlib.AsyncExitStack) -> None:
    """Run the steps of a start, each shown as a stage; `stack` undoes them."""
    program = await startup.load()
    handler = program.resolutions[Slot.INVOCATION].handler
    transcript.stage("script", handler.signature.where if handler else "the default handler answers")
    if any(model.is_elsewhere for model in program.models) and startup.settings.engine != "none":
        engine_url = await stack.enter_async_context(_listening(startup.gate))
        startup.engine_url = lambda: engine_url
    await startup.start_engine(program)
    transcript.stage("engine", startup.backend.name)
    serving = await startup.begin(program)
    stack.push_async_callback(serving.end)
    for what in _begun(program):
        transcript.stage(what)


def _begun(program: Program) -> list[str]:
    if program.models:
        return [model.stage or model.title for model in program.models]
    return ["start-up hooks"] if program.hooks[Moment.STARTUP] else []


@contextlib.asynccontextmanager
async def _listening(gate: Gate) -> AsyncIterator[str]:
    """Listen on loopback and yield the URL: a snippet runs in its own process and reaches the engine only over it."""
    bound = bind(_LOOPBACK, 0)
    listener = Listener(gate)
    serving = asyncio.create_task(listener.serve(sockets=[bound]))
    try:
        yield own_address.url(bound, gate.keys.own)
    finally:
        listener.should_exit = True
        await serving


async def ask(gate: Gate, question: Question, transcript: Transcript, patience_s: float) -> None:
    """Send the request through the gate, as from a client; work after the answer has a timeout of `patience_s`."""
    body, is_answered = question.body, asyncio.Event()
    scope = _scope(question, {"Host": _LOOPBACK, **question.headers, "Content-Length": str(len(body))})
    observe_with(lambda stage, text: transcript.stage_of_its_own(_NAMES[stage], text), scope)
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if transcript.hear(message):
            is_answered.set()

    answering, answered = asyncio.create_task(gate(scope, receive, send)), asyncio.create_task(is_answered.wait())
    try:
        await asyncio.wait({answering, answered}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({answering}, timeout=patience_s)
    finally:
        answered.cancel()
        answering.cancel()


def _scope(question: Question, headers: Mapping[str, str]) -> Scope:
    path, _, query = question.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": question.method or method_of(path),
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": (_LOOPBACK, 0),
        "server": (_LOOPBACK, 0),
    }


def _code(transcript: Transcript) -> ExitCode:
    return ExitCode.CLEAN if transcript.ended() else ExitCode.BUG
