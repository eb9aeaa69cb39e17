"""Requests as nobody should send them, at a server that must answer or hang up: `scripts/fuzz` and a test run it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import Served

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
#: Faults of the server. A version or a coding that it does not speak is its client's fault: 505, 501.
_FAULTS = frozenset({500, 502, 503, 504})
#: Sent to a connection that is quiet: the end of a head that is not whole, and a request that closes.
_LAST = b"\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_CHAT = b'{"messages":[{"role":"user","content":"hello"}],"max_tokens":4,"stream":true}'

Mutation = Callable[[random.Random, bytes], bytes]


def _post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def _chunked(path: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"


VALID = [
    b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nAccept: */*\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    _post(b"/invocations", _CHAT, b"X-Amzn-SageMaker-Inference-Id: one", b"X-Handrail-Timeout-S: 5"),
    _post(b"/invocations", b'{"input": "x"}', b"Expect: 100-continue"),
    _post(b"/v1/completions", b'{"prompt": "a b c"}', b"Authorization: Bearer x"),
    _post(b"/tokenize", b'{"prompt": "a"}', b"Connection: Upgrade", b"Upgrade: h2c"),
    _chunked(b"/v1/chat/completions", _CHAT),
    _chunked(b"/invocations", b'{"prompt": "a b c"}'),
]

METHODS = [b"GETT", b"get", b"", b"CONNECT", b"TRACE", b"PRI", b"DELETE", b"\x16\x03\x01", b"M-SEARCH", b"P\x00ST"]
TARGETS = [
    *(
        b"*",
        b"//",
        b"/../../etc/passwd",
        b"http://x/ping",
        b"/%zz",
        b"/%00",
        b"/\xff\xfe",
        b"/a b",
        b"/ping#x",
        b"?",
        b"",
    ),
    *(b"/v1/models/%2e%2e", b"/sync/v1/models", b"/openapi.json", b"/" + b"a" * 20_000, b"/ping?" + b"b" * 70_000),
]
VERSIONS = [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/9", b"", b"HTTP/1.1 ", b"ICY/1.0"]
HEADERS = [
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 1e3"),
    *(b"Content-Length: 26000000", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, x"),
    *(b"no colon at all", b": no name", b"Bad Name: x", b" folded: x", b"X: a\x00b", b"X: a\rb", b"X\xff: \xff"),
    *(
        b"X-Request-Id: " + b"i" * 10_000,
        b"X-Request-Id: \xe9\xff",
        b"X-Handrail-Timeout-S: nan",
        b"Cookie: " + b"c" * 9000,
    ),
    *(b"X-Handrail-Timeout-S: -1", b"Content-Type: text/html; charset=\xff", b"Content-Encoding: br", b"Accept: \xf0"),
    *(b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: x", b"Expect: 200-ok", b"Connection: close, x"),
    *(b"Huge: " + b"h" * 70_000, b"\r\n".join(b"N%d: v" % i for i in range(300)), b"Host: y", b"Host: "),
]
SIZES = [b"-1", b"ffffffffffffffffffff", b"zz", b"", b"5;ext=" + b"x" * 9000, b"0x5", b"5 ", b"\x00", b"fffffff"]
BODIES = [
    *(
        b"[" * 5000,
        b'{"messages": 5}',
        b'{"prompt": NaN}',
        b"\xff\xfe{",
        b"null",
        b'"\\ud800"',
        b"{" * 3,
        b"1e999",
        b"",
    ),
    *(b'{"messages": [{"role": "user", "content": null}]}', b'{"prompt": [1, "a", {}]}', b'{"input": {"a": []}}'),
    *(b'{"prompt": "a", "max_tokens": -1}', b'{"prompt": "a", "max_tokens": 1e99}', b'{"prompt": "\\ud800"}'),
    *(b'{"messages": [[]]}', b'{"messages": [{"role": 1}]}', b"9" * 5000, b'{"prompt": "' + b"p" * 200_000 + b'"}'),
]


def _line(place: int, choices: list[bytes]) -> Mutation:
    """Another method, target or version."""

    def mutate(chance: random.Random, request: bytes) -> bytes:
        line, end, rest = request.partition(b"\r\n")
        words = line.split(b" ")
        words[min(place, len(words) - 1)] = chance.choice(choices)
        return b" ".join(words) + end + rest

    return mutate


def _header(chance: random.Random, request: bytes) -> bytes:
    line, end, rest = request.partition(b"\r\n")
    return line + end + chance.choice(HEADERS) + chance.choice([b"\r\n", b"\n", b"\r\n\r\n"]) + rest


def _size(chance: random.Random, request: bytes) -> bytes:
    return re.sub(rb"\r\n[0-9a-f]+\r\n", lambda found: b"\r\n" + chance.choice(SIZES) + b"\r\n", request, count=1)


def _body(chance: random.Random, request: bytes) -> bytes:
    return _post(chance.choice([b"/invocations", b"/v1/chat/completions", b"/tokenize"]), chance.choice(BODIES))


def _bytes(chance: random.Random, request: bytes) -> bytes:
    changed = bytearray(request)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.choice([0, 10, 13, 32, 58, 127, 255, chance.randrange(256)])
    return bytes(changed)


def _cut(chance: random.Random, request: bytes) -> bytes:
    return request[: chance.randrange(len(request))]


def _again(chance: random.Random, request: bytes) -> bytes:
    start, stop = sorted(chance.randrange(len(request) + 1) for _ in range(2))
    return request[:stop] + request[start:stop] * chance.randint(1, 20) + request[stop:]


def _pipelined(chance: random.Random, request: bytes) -> bytes:
    return request + b"".join(chance.choices(VALID, k=chance.randint(1, 5))) + chance.choice([b"", b"garbage\r\n\r\n"])


def _noise(chance: random.Random, request: bytes) -> bytes:
    return chance.randbytes(chance.randint(1, 400)) + chance.choice([b"", b"\r\n\r\n"])


def _line_ends(chance: random.Random, request: bytes) -> bytes:
    return request.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\r\n\r\n", b"\r\r\n"]))


MUTATIONS: list[Mutation] = [
    *(_line(0, METHODS), _line(1, TARGETS), _line(2, VERSIONS)),
    *(_header, _header, _size, _body, _bytes, _bytes, _cut, _again, _pipelined, _noise, _line_ends),
]


def requests(seed: int, count: int) -> Iterator[list[bytes]]:
    """`count` requests, each in the parts in which it is sent; the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        request = chance.choice(VALID)
        for mutate in chance.choices(MUTATIONS, k=chance.choice([1, 1, 1, 2, 3])):
            request = mutate(chance, request or b" ")
        cuts = sorted(chance.randrange(len(request) + 1) for _ in range(chance.choice([0, 0, 1, 3])))
        yield [request[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(request)], strict=True)]


@dataclass
class Outcome:
    """`statuses`: of first answers; `silent`: hung up on without one; `kept`: answer one more; `waiting`: hang."""

    statuses: Counter[int] = field(default_factory=Counter)
    silent: int = 0
    kept: int = 0
    waiting: int = 0
    faults: list[tuple[bytes, bytes]] = field(default_factory=list)
    slowest_ping_s: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"answers {answers}; hung up on {self.silent}, kept {self.kept}, left waiting {self.waiting}; "
            f"slowest /ping {self.slowest_ping_s * 1000:.0f} ms; {self.seconds:.0f} s"
        )


class Fuzz:
    """Sends them. A connection quiet for `quiet_s` is asked to answer and end; it hangs if it then is for `hung_s`."""

    def __init__(self, port: int, quiet_s: float, at_once: int = 100, hung_s: float = 20) -> None:
        self._port = port
        self._quiet_s = quiet_s
        self._hung_s = hung_s
        self._room = asyncio.Semaphore(at_once)
        self.outcome = Outcome()

    async def run(self, seed: int, count: int) -> Outcome:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(self._ping())
            async with asyncio.TaskGroup() as sending:
                for parts in requests(seed, count):
                    sending.create_task(self._send(parts))
            pinging.cancel()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _ping(self) -> None:
        """A client in order, all the while."""
        while True:
            began = time.monotonic()
            async with self._connection() as (reader, writer):
                writer.write(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            self.outcome.slowest_ping_s = max(self.outcome.slowest_ping_s, time.monotonic() - began)
            await asyncio.sleep(0.05)

    async def _send(self, parts: list[bytes]) -> None:
        async with self._room, self._connection() as (reader, writer):
            try:
                for part in parts:
                    writer.write(part)
                    await asyncio.wait_for(writer.drain(), self._quiet_s)
                    await asyncio.sleep(0)
            except (ConnectionError, TimeoutError):
                pass  # it has hung up already; what it said may still be read
            answer, has_ended = await self._read(reader, self._quiet_s)
            is_kept = False
            if not has_ended:
                with contextlib.suppress(ConnectionError):
                    writer.write(_LAST)
                more, has_ended = await self._read(reader, self._hung_s)
                answer, is_kept = answer + more, bool(more)
        self._count(b"".join(parts), answer, has_ended, is_kept=is_kept)

    async def _read(self, reader: asyncio.StreamReader, quiet_s: float) -> tuple[bytes, bool]:
        answer = b""
        try:
            while piece := await asyncio.wait_for(reader.read(1 << 20), quiet_s):
                answer += piece
        except TimeoutError:
            return answer, False
        except ConnectionError:
            return answer, True
        return answer, True

    def _count(self, request: bytes, answer: bytes, has_ended: bool, *, is_kept: bool) -> None:
        statuses = [int(status) for status in _STATUS.findall(answer) if status != b"100"]
        if statuses:
            self.outcome.statuses[statuses[0]] += 1
        elif has_ended:
            self.outcome.silent += 1
        self.outcome.kept += is_kept
        self.outcome.waiting += not has_ended
        if not _FAULTS.isdisjoint(statuses) or (answer and not answer.startswith(b"HTTP/1.1 ")):
            self.outcome.faults.append((request, answer))


def main() -> int:
    parser = argparse.ArgumentParser(description="Send malformed requests to a server of the echo engine.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet-s", type=float, default=2.0, help="silence after which a connection is asked again")
    parser.add_argument("--hung-s", type=float, default=20.0, help="silence after that, which is a hang")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"HANDRAIL_ENGINE": "echo", "HANDRAIL_INVOCATION_TIMEOUT_S": "5"}
        served = Served(Path(folder), Path(folder, "log"), **environment).ready()
        try:
            outcome = asyncio.run(Fuzz(served.port, given.quiet_s, 250, given.hung_s).run(given.seed, given.count))
        finally:
            served.stop()
        _, *traces = served.stderr.split("Traceback")
    print(f"{given.count} requests, seed {given.seed}: {outcome}; tracebacks in the log: {len(traces)}")
    for request, answer in outcome.faults[:20]:
        print("fault:", request[:300], "->", answer[:600])
    for trace in traces[:3]:
        print("Traceback", trace[:4000])
    return 1 if outcome.faults or traces or outcome.waiting else 0


if __name__ == "__main__":
    sys.exit(main())
