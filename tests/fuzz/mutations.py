"""Requests as nobody should send them: valid ones, and the named attacks, changed at random."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from websockets.frames import Opcode

from tests.fuzz.corpus import ATTACKS, CHAT, SMUGGLED_ID, frame, handshake, post
from tests.fuzz.steps import Attack, Hear, Pause, Send
from tests.wire.corpus import CASES

_CHAT = b'{"messages":[{"role":"user","content":"hello"}],"max_tokens":4,"stream":true}'

Mutation = Callable[[random.Random, bytes], bytes]


def _chunked(path: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"


VALID = [
    b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nAccept: */*\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    post(b"/invocations", _CHAT, b"X-Amzn-SageMaker-Inference-Id: one", b"X-Handrail-Timeout-S: 5"),
    post(b"/invocations", b'{"input": "x"}', b"Expect: 100-continue"),
    post(b"/v1/completions", b'{"prompt": "a b c"}', b"Authorization: Bearer x"),
    post(b"/tokenize", b'{"prompt": "a"}', b"Connection: Upgrade", b"Upgrade: h2c"),
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
    return post(chance.choice([b"/invocations", b"/v1/chat/completions", b"/tokenize"]), chance.choice(BODIES))


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


#: What is changed: valid requests, the attacks that are nothing but bytes, and the framing of a corpus of its own.
SEEDS = [
    *VALID * 4,
    *(one.plain.replace(SMUGGLED_ID, b"mine") for one in ATTACKS if one.plain is not None),
    *(case.sent for case in CASES),
]
FRAMES = [frame(Opcode.TEXT, CHAT), frame(Opcode.BINARY, CHAT * 20), frame(Opcode.PING, b"p"), frame(Opcode.TEXT, b"{")]
_OPEN = (Send(handshake()), Hear(b"101 "))


def _changed(chance: random.Random) -> Attack:
    """A request, in the parts in which it is sent."""
    request = chance.choice(SEEDS)
    for mutate in chance.choices(MUTATIONS, k=chance.choice([1, 1, 1, 2, 3])):
        request = mutate(chance, request or b" ")
    return Attack("a mutation", _in_parts(chance, request))


def _in_parts(chance: random.Random, request: bytes) -> tuple[Send, ...]:
    cuts = sorted(chance.randrange(len(request) + 1) for _ in range(chance.choice([0, 0, 1, 3])))
    return tuple(Send(request[start:stop]) for start, stop in zip([0, *cuts], [*cuts, len(request)], strict=True))


def _cut_anew(chance: random.Random) -> Attack:
    """A named attack in other parts: what is said of its answers holds."""
    named = chance.choice([one for one in ATTACKS if one.plain is not None])
    assert named.plain is not None
    parts = [step for part in _in_parts(chance, named.plain) for step in (part, Pause(chance.choice([0, 0.01])))]
    return replace(named, steps=tuple(parts))


def _on_a_socket(chance: random.Random) -> Attack:
    """What follows a handshake, changed."""
    said = b"".join(chance.choices(FRAMES, k=chance.randint(1, 5)))
    for mutate in chance.choices([_bytes, _bytes, _cut, _again, _noise], k=chance.choice([0, 1, 2])):
        said = mutate(chance, said or b" ")
    return Attack("a mutation of frames", (*_OPEN, *_in_parts(chance, said)))


def mutations(seed: int, count: int) -> list[Attack]:
    """The same for the same seed; each has its number in its name."""
    chance = random.Random(seed)
    kinds = chance.choices([_changed, _cut_anew, _on_a_socket], [8, 1, 1], k=count)
    made = (kind(chance) for kind in kinds)
    return [replace(one, name=f"number {number} of seed {seed}, {one.name}") for number, one in enumerate(made)]
