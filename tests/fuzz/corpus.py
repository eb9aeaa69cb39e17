"""Named attacks, as the steps that a client takes. Each was, or could be, a fault: what it aims at is its name.

An attack that is answered in full ends with a request that asks to close the connection, so that nobody waits.
`tests/wire/corpus.py` holds the framing of single requests; here is what blocks, fills or outlives a server.
"""

from __future__ import annotations

import zlib
from functools import cache

from websockets.frames import Frame, Opcode

from tests.fuzz.steps import Attack, HalfClose, Hear, Leave, Pause, Send, Stay

#: After which a loop that is blocked is known to be.
OTHER_S = 0.8

CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# No attack asks for /ping where its answers are known: on a busy machine the guard answers that, and closes.
#: A request that nobody sends but in the body of another: its answer would have this id.
SMUGGLED_ID = b"smuggled"
SMUGGLED = b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + SMUGGLED_ID + b"\r\n\r\n"
CHAT = b'{"messages":[{"role":"user","content":"hello"}],"max_tokens":4}'
SCRIPT = "attacked.py"
SOCKET_PATH = b"/invocations-bidirectional-stream"
MB = 1 << 20


def post(path: bytes, body: bytes, *headers: bytes, size: int | None = None) -> bytes:
    length = b"Content-Length: %d" % (len(body) if size is None else size)
    lines = [b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers, length]
    return b"\r\n".join([*lines, b"", body])


def _told(body: bytes) -> bytes:
    return post(b"/invocations", body)


def _offer(protocol: bytes) -> tuple[bytes, bytes]:
    return b"Connection: Upgrade", b"Upgrade: " + protocol


def _upgrade(name: str, protocol: bytes, *more: bytes) -> Attack:
    """Its body comes in a segment of its own, and is a request."""
    head = post(b"/nowhere", b"", *_offer(protocol), *more, size=len(SMUGGLED))
    return Attack(f"smuggling: {name}", (Send(head), Pause(), Send(SMUGGLED), Pause(), Send(CLOSE)), (404, 200))


SMUGGLING = [
    _upgrade("a body behind Upgrade: h2c", b"h2c"),
    _upgrade("a body behind Upgrade: h2c, as Java's client sends it", b"h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAA"),
    _upgrade("a body behind an unknown protocol", b"foo/1"),
    _upgrade("a body behind two protocols", b"foo, websocket"),
    Attack(
        "smuggling: a body behind Upgrade: h2c is read",
        (Send(post(b"/v1/chat/completions", CHAT, *_offer(b"h2c")) + CLOSE),),
        (200, 200),
    ),
    Attack(
        "smuggling: a request behind Upgrade is answered",
        (Send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n" + CLOSE),),
        (200, 200),
    ),
    Attack(
        "smuggling: a body behind a WebSocket by POST",
        (Send(post(b"/nowhere", b"", *_offer(b"websocket"), size=len(SMUGGLED))), Pause(), Send(SMUGGLED)),
        (400,),
    ),
    Attack(
        "smuggling: a length and chunks",
        (Send(post(b"/nowhere", b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: chunked")),),
        (400,),
    ),
]


def _bomb(name: str, path: bytes, begin: bytes, item: bytes, end: bytes, *, script: str | None = None) -> Attack:
    """A body of 20 MB, of one small thing again and again. It is refused before its end, or what it says is wrong."""
    block = item * (65536 // len(item))
    times = 20 * MB // len(block)
    size = len(begin) + len(block) * times + len(end)
    head = post(path, b"", b"Connection: close", size=size)
    return Attack(f"JSON: {name}", (Send(head + begin), Send(block, times), Send(end)), script=script, grown_mb=100)


_CHATS = b"/v1/chat/completions"
JSON_BOMBS = [
    _bomb("a chat of empty lists", _CHATS, b'{"messages":[', b"[],", b"[]]}"),
    _bomb("a chat of objects", _CHATS, b'{"messages":[', b'{"role":0},', b"{}]}"),
    _bomb("a chat of short messages", _CHATS, b'{"messages":[', b'{"role":"user","content":"a"},', b"{}]}"),
    _bomb("numbers", b"/v1/responses", b'{"input":[', b"0,", b"0]}"),
    _bomb("a key nobody knows", _CHATS, CHAT[:-1] + b',"zzz":[', b"{},", b"{}]}"),
    _bomb("white space, then lists", _CHATS, b" " * 9000 + b'{"messages":[', b"[[]],", b"[]]}"),
    _bomb("a handler's body of empty lists", b"/invocations", b'{"messages":[', b"[],", b"[]]}", script=SCRIPT),
    Attack("JSON: brackets in each other", (Send(post(_CHATS, b"[" * 100_000, b"Connection: close")),), (400,)),
    Attack(
        "JSON: objects in each other",
        (Send(post(_CHATS, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"Connection: close")),),
        (400,),
    ),
]


def handshake(*headers: bytes, path: bytes = SOCKET_PATH, method: bytes = b"GET") -> bytes:
    lines = [
        b"%b %b HTTP/1.1" % (method, path),
        b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket",
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    return b"\r\n".join([*lines, b"", b""])


_KEY = b"Sec-WebSocket-Key"
HANDSHAKES = [
    Attack(f"handshake: {name}", (Send(sent),), statuses)
    for name, sent, statuses in [
        ("a body", handshake(b"Content-Length: 5"), (400,)),
        ("a body in chunks", handshake(b"Transfer-Encoding: chunked"), (400,)),
        ("by POST", handshake(method=b"POST"), (400,)),
        ("a path of 9 KiB", handshake(path=b"/" + b"a" * 9000), (404,)),
        ("a path of 9 KiB, and a query", handshake(path=b"/" + b"a" * 9000 + b"?b=c"), (404,)),
        ("no key", handshake().replace(_KEY, b"X"), (400,)),
        ("no version", handshake().replace(b"Sec-WebSocket-Version", b"X-Version"), (426,)),
        ("a header of 70 KiB", handshake(b"X: " + b"x" * 70_000), (431,)),
        ("300 headers", handshake(*[b"X: x"] * 300), (431,)),
    ]
] + [
    Attack(f"handshake: {name}", (Send(handshake(header)), Hear(b"101 "), Send(b"\x88\x80\0\0\0\0")), (101,))
    for name, header in [
        ("a header of 9 KiB", b"X-Token: " + b"x" * 9000),
        ("150 headers", b"\r\n".join([b"X: x"] * 150)),
        ("a length of 0", b"Content-Length: 0"),
    ]
]


def frame(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


#: A bit of a frame's first byte.
_IS_DEFLATED = 0x40


@cache
def _deflated(begin: bytes, item: bytes, end: bytes) -> bytes:
    """What becomes 97 MB, in a frame of 100 KB."""
    packer = zlib.compressobj(wbits=-15)
    block = item * (65536 // len(item))
    blocks = (packer.compress(block) for _ in range(97_000_000 // len(block)))
    packed = packer.compress(begin) + b"".join(blocks) + packer.compress(end) + packer.flush(zlib.Z_SYNC_FLUSH)
    plain = frame(Opcode.TEXT, packed.removesuffix(b"\0\0\xff\xff"))
    return bytes([plain[0] | _IS_DEFLATED]) + plain[1:]


def _lists(size: int) -> bytes:
    return frame(Opcode.TEXT, b'{"messages":[' + b"[]," * (size // 3) + b"[]]}")


DEFLATE = handshake(b"Sec-WebSocket-Extensions: permessage-deflate")
_OPEN = (Send(handshake()), Hear(b"101 "))
#: The code of the close frame, 1009.
_TOO_BIG = b"\x03\xf1"
_CLOSE_FRAME = Send(frame(Opcode.CLOSE, b"\x03\xe8"))
SOCKETS = [
    Attack(
        "WebSocket: 100 KB that become 97 MB of JSON",
        (
            Send(DEFLATE),
            Hear(b"101 "),
            Send(lambda: _deflated(b'{"messages":[', b"[],", b"[]]}")),
            Pause(1),
            _CLOSE_FRAME,
        ),
        (101,),
    ),
    Attack(
        "WebSocket: 20 messages of 100 KB that become 97 MB each",
        (Send(DEFLATE), Hear(b"101 "), Send(lambda: _deflated(b"x", b"x", b"x"), 20, 1), Pause(1), Leave()),
    ),
    Attack(
        "WebSocket: a message of 24 MB of empty lists",
        (*_OPEN, Send(lambda: _lists(24_000_000)), Hear(b"HANDRAIL_MAX_JSON_"), _CLOSE_FRAME),
        (101,),
        grown_mb=150,
    ),
    Attack(
        "WebSocket: 100 messages of 4 MB that nobody takes",
        (
            *_OPEN,
            Send(frame(Opcode.TEXT, b"20")),
            Send(lambda: frame(Opcode.BINARY, bytes(4_000_000)), 100, 1),
            Leave(),
        ),
        script=SCRIPT,
        grown_mb=100,
    ),
    Attack(
        "WebSocket: a message of 60 MB",
        (
            *_OPEN,
            Send(b"\x82\xff" + (60_000_000).to_bytes(8, "big") + bytes(4)),
            Send(bytes(MB), 58, 1),
            Hear(_TOO_BIG),
        ),
        (101,),
    ),
    Attack(
        "WebSocket: 300,000 frames of one message, each empty",
        (
            *_OPEN,
            Send(b"\x01\x80\0\0\0\0"),
            Send(b"\0\x80\0\0\0\0" * 10_000, 30),
            Send(b"\x80\x80\0\0\0\0"),
            _CLOSE_FRAME,
        ),
        (101,),
        grown_mb=100,
    ),
    Attack("WebSocket: a frame of 2^63 bytes", (*_OPEN, Send(b"\x82\xff" + b"\x7f" + b"\xff" * 11)), (101,)),
    Attack("WebSocket: noise", (*_OPEN, Send(bytes(range(255, 0, -1)) * 20)), (101,)),
]
_GETS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000
PIPELINES = [
    Attack("pipeline: 20 MB of requests", (Send(_GETS, 80, 4), Leave()), reads=False, grown_mb=60),
    Attack(
        "pipeline: 20 MB of requests behind one that takes a second",
        (Send(_told(b'{"hold_s": 1}')), Pause(), Send(_GETS, 80, 4), Leave()),
        script=SCRIPT,
        reads=False,
        grown_mb=60,
    ),
    Attack(
        "pipeline: a body in 700,000 chunks of a byte",
        (
            Send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Send(b"1\r\nx\r\n" * 10_000, 70),
            Send(b"0\r\n\r\n" + CLOSE),
        ),
        (422, 200),
        grown_mb=100,
    ),
    Attack("pipeline: half a request, and the end", (Send(b"POST /invocations HTTP/1.1\r\nHo"), HalfClose())),
    Attack("pipeline: half a body, and the end", (Send(post(_CHATS, CHAT, size=9999)), HalfClose())),
]
HANDLERS = [
    Attack(
        "handler: a stream that awaits nothing is left",
        (Send(_told(b'{"pour": 1}')), Hear(b"xxxx"), Leave()),
        (200,),
        script=SCRIPT,
    ),
    Attack(
        "handler: prints more than a pipe holds",
        (Send(_told(b'{"print": 300000}')), Hear(b"done"), Send(CLOSE)),
        (200, 200),
        script=SCRIPT,
    ),
    Attack(
        "guard: 14 bytes while the loop is blocked",
        (Send(_told(b'{"block_s": 8}')), Hear(b"done"), Send(CLOSE)),
        (200, 200),
        script=SCRIPT,
        blocks=True,
        later=b"GET /ping?\r\n\r\n",
    ),
]
ENDINGS = [
    Attack("end: a handshake without a key is open", (Send(handshake().replace(_KEY, b"X")), Stay())),
    Attack("end: a handshake with a body is open", (Send(handshake(b"Content-Length: 5")), Stay())),
    Attack("end: a handshake with a long header is open", (Send(handshake(b"X: " + b"x" * 9000)), Stay())),
    Attack("end: half a head is open", (Send(b"GET /ping HTTP/1.1\r\n"), Stay())),
]
ATTACKS = [*SMUGGLING, *JSON_BOMBS, *HANDSHAKES, *SOCKETS, *PIPELINES, *HANDLERS, *ENDINGS]
BY_NAME = {attack.name: attack for attack in ATTACKS}
