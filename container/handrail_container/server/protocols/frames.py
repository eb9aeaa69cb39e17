"""The frames of one WebSocket: parses the client's bytes into messages, and serializes ours.

The library `websockets` does the work. Compression is off: 100 kB on the wire could be 100 MB.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import cast

from starlette.types import Message
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

_NOT_UTF8, _TOO_LARGE, _INTERNAL = 1007, 1009, 1011
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Frames:
    """`fault` is the close frame for a violation by the client, `left` the client's own close frame; None before."""

    def __init__(self, most_bytes: int) -> None:
        self.fault: Close | None = None
        self._most_bytes = most_bytes
        self._protocol = ServerProtocol(state=State.OPEN, max_size=most_bytes)
        self._message = bytearray()
        self._is_text = False

    @property
    def left(self) -> Close | None:
        return self._protocol.close_rcvd

    def take(self, data: bytes) -> Iterator[Message]:
        """Parse the client's `data`; yields each message that is complete now."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            frame = cast(Frame, event)
            if frame.opcode in _DATA and self.fault is None and (message := self._added(frame)) is not None:
                yield message
        if self._protocol.parser_exc is not None and self.fault is None:
            said = self._protocol.close_sent or Close(_INTERNAL, "")
            self.fault = Close(said.code, self._too_large() if said.code == _TOO_LARGE else said.reason)

    def _added(self, frame: Frame) -> Message | None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._message += frame.data  # one buffer: each byte could come in its own frame
        if not frame.fin:
            return None
        whole, self._message = self._message, bytearray()
        try:
            said = {"text": whole.decode()} if self._is_text else {"bytes": bytes(whole)}
        except UnicodeDecodeError as error:
            self.fault = Close(_NOT_UTF8, f"{error.reason} at position {error.start}")
            return None
        return {"type": "websocket.receive", **said}

    def _too_large(self) -> str:
        return f"a message is larger than {self._most_bytes / (1 << 20):g} MB; HANDRAIL_MAX_BODY_MB sets the limit"

    def replies(self) -> bytes:
        """The bytes that the protocol answers the client's frames with: pongs, and the reply to a close frame."""
        return b"".join(self._protocol.data_to_send())

    def message(self, message: Message) -> bytes:
        text = message.get("text")
        if text is not None:
            self._protocol.send_text(text.encode())
        else:
            self._protocol.send_binary(message.get("bytes") or b"")
        return self.replies()

    def ping(self) -> bytes:
        self._protocol.send_ping(random.randbytes(4))
        return self.replies()

    def close(self, code: int, reason: str) -> bytes:
        """A close frame, which the client has to answer. Raises ValueError for a code that must not be sent."""
        self._protocol.send_close(code, reason)
        return self.replies()


def last(code: int, reason: str) -> bytes:
    """A close frame for a connection on which no answer to it will be read."""
    return Frame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=False)
