"""The server's side of one worker, a process that has loaded the snippet."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from typing import Any

from handrail.core.errors import LoadFailed
from handrail.styles.definition.runner import NotText, SnippetRaised, TimedOut, WorkerDied
from handrail.styles.definition.snippet import Snippet

from handrail_container.process.threads import in_thread
from handrail_container.program.workers import processes, wire
from handrail_container.program.workers.last_words import LastWords
from handrail_container.program.workers.output import Output

#: -u: unbuffered, so that a killed process has printed all its output. -B: no bytecode, as the model directory is
#: read-only. -P: without the server's working directory on the path.
_COMMAND = (sys.executable, "-u", "-B", "-P", "-m", "handrail_container.program.workers.child")

#: Seconds that a process has to end after SIGTERM, or after its connection was closed.
_GRACE_S = 1.0
_BUFFER = 1 << 20


class Worker:
    """A worker. It is started once, and runs one call at a time."""

    def __init__(self, snippet: Snippet, engine_url: str | None) -> None:
        self._snippet = snippet
        self._engine_url = engine_url
        self._ended = asyncio.Event()
        self._how = ""
        self._output: Output
        self._last_words: LastWords
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._watching: asyncio.Task[None]
        self._is_talking = False
        #: Whether it was given a call: what ends it then need not be its start.
        self.has_been_called = False
        #: Whether a call has failed in a way that makes the worker unusable.
        self.is_spent = False
        self.began = time.monotonic()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def is_usable(self) -> bool:
        return not (self.is_spent or self.has_ended or self._has_hung_up)

    @property
    def _has_hung_up(self) -> bool:
        """Whether the connection is closed. Read from the socket: the event loop may notice the end of the process only
        after the next call was sent to it."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return not isinstance(error, BlockingIOError)  # BlockingIOError: open, without data

    async def ended(self) -> None:
        """Returns once the process has ended and its process group was killed."""
        await self._ended.wait()

    async def start(self, limit_s: float) -> None:
        """Raises LoadFailed if the snippet cannot be imported within `limit_s` seconds."""
        try:
            answer = await self._introduction(limit_s)
        except asyncio.CancelledError:
            await self.kill()
            raise
        if answer.fields["is"] == "refused":
            await self.close()
            raise LoadFailed(answer.fields["message"], answer.fields["traceback"])

    async def _introduction(self, limit_s: float) -> wire.WorkerMessage:
        where = f"{self._snippet.filename}:{self._snippet.first_line} the snippet"
        try:
            async with asyncio.timeout(limit_s):
                await self._spawn()
                return await self._exchange(self._definition())
        except TimeoutError:
            await self.kill()
            raise LoadFailed(f"{where} was not imported after {limit_s:g} s.") from None
        except WorkerDied as died:
            raise LoadFailed(f"{where} ended its process when it was imported: {died.how}.") from None
        except OSError as error:
            raise LoadFailed(f"{where} has no process to run in: {error}.") from error

    async def run(self, call: bytes, request_id: str) -> str:
        """The snippet's answer to `call`. Raises RunFailed; after TimedOut and WorkerDied the worker is unusable."""
        self.has_been_called = True
        self._output.request_id = request_id
        try:
            async with asyncio.timeout(self._snippet.timeout_s):
                answer = await self._exchange(call)
        except TimeoutError:
            raise TimedOut(self._snippet.timeout_s, await self._where()) from None
        self._output.request_id = None
        return _text(answer)

    async def _where(self) -> str | None:
        """The `file:line` that the process is running; None if unknown."""
        return await self._last_words.ask(self._process.pid) if self._process is not None else None

    async def _exchange(self, message: bytes) -> wire.WorkerMessage:
        """Send a message and return the answer. Raises WorkerDied."""
        self._is_talking = True
        try:
            self._writer.write(message)
            await self._writer.drain()
            answer = await wire.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._gone()
            raise WorkerDied(self._how) from None
        finally:
            self._is_talking = False
            if self.has_ended:
                self._writer.close()
        self._output.catch_up()
        return answer

    async def kill(self) -> None:
        """Kill the process, also during a call, and return once it has ended."""
        if self._process is None or self.has_ended:
            return
        pid = self._process.pid
        below = await in_thread(lambda: processes.descendants(pid), "a worker's processes")
        processes.signal_group(pid, signal.SIGTERM)
        await self._ends_in_time()
        processes.signal_group(pid, signal.SIGKILL)
        processes.kill(below)
        await self.ended()

    async def close(self) -> None:
        """Let an idle worker end by itself; kill it if it does not."""
        self._writer.close()
        if not await self._ends_in_time():
            await self.kill()

    async def _gone(self) -> None:
        """Wait for a process that has closed its connection, usually by ending; kill it if it does not end."""
        if not await self._ends_in_time():
            await self.kill()

    async def _ends_in_time(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), _GRACE_S)
        return self.has_ended

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_BUFFER)
        self._output, self._last_words = Output(), LastWords(self._snippet.folder)
        sink = self._last_words.sink
        given: dict[str, Any] = {"stdin": theirs, "stdout": self._output.sink, "stderr": self._output.sink}
        given |= {"pass_fds": (sink,), "start_new_session": True}
        try:
            self._process = await asyncio.create_subprocess_exec(*_COMMAND, str(sink), **given)
        finally:
            theirs.close()
            self._output.close_sink()
            self._last_words.close_sink()
            if self._process is None:
                self._writer.close()
                self._output.close()
                self._last_words.close()
        self._watching = asyncio.create_task(self._watch(self._process))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._last_words.close()
        self._how = processes.ending(code) + self._last_words.at(code)
        processes.signal_group(process.pid, signal.SIGKILL)  # its remaining children
        self._output.close()
        if self._is_talking:
            # The last answer is still to be read; but a child outside the group may hold the connection open for ever.
            asyncio.get_running_loop().call_later(_GRACE_S, self._writer.transport.abort)
        else:
            self._writer.close()
        self._ended.set()

    def _definition(self) -> bytes:
        snippet = self._snippet
        fields = {
            "filename": snippet.filename,
            "first_line": snippet.first_line,
            "folder": str(snippet.folder.absolute()),
            "environment": dict(snippet.environment),
            "engine_url": self._engine_url,
        }
        return wire.pack(fields, snippet.source)


def _text(answer: wire.WorkerMessage) -> str:
    """The text of an answer. Raises SnippetRaised, NotText if there is none."""
    kind = answer.fields.pop("is")
    if kind == "raised":
        raise SnippetRaised(**answer.fields)
    if kind == "not text":
        raise NotText(**answer.fields)
    return answer.text
