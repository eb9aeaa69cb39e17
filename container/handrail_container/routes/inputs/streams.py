"""The engine's server-sent events become events of the shape, one a token."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from handrail_container.http.envelope import Failure, error_body, error_event, to_json
from handrail_container.routes.inputs.answers import finish_reason, mark_end, tokens_of
from handrail_container.routes.inputs.reading import InputsRequest

SSE, LINES = "text/event-stream", "application/jsonlines"
_ERROR, _DATA, _DONE = b"event: error", b"data:", b"[DONE]"
_CUT = Failure(500, "the engine's stream ended before its answer did")
#: What reading an answer raises that is not of the OpenAI API.
NOT_OPENAIS = (KeyError, IndexError, TypeError, AttributeError, ValueError)


class TokenStream:
    """One answer as it comes. `has_failed`: its last event is an error."""

    def __init__(self, asked: InputsRequest, *, is_sse: bool, request_id: str) -> None:
        self._asked = asked
        self._is_sse = is_sse
        self._request_id = request_id
        self._rest = b""
        self._texts: list[str] = []
        self._count = 0
        self._is_complete = False
        self.has_failed = False

    def feed(self, piece: bytes) -> bytes:
        """What a piece of the engine's stream says; after an error nothing."""
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        try:
            return b"".join(said for event in events for said in self._translated(event))
        except NOT_OPENAIS:
            return self._failed(error_body(not_openais(self._asked), self._request_id))

    def end(self) -> bytes:
        """The error of a stream that ended too early."""
        return b"" if self._is_complete or self.has_failed else self._failed(error_body(_CUT, self._request_id))

    def _translated(self, event: bytes) -> Iterator[bytes]:
        if self.has_failed:
            return
        head, _, data = event.partition(_DATA)
        data = data.strip()
        if head.startswith(_ERROR):
            yield self._failed(data)
        elif data and data != _DONE:
            told = json.loads(data)
            for choice in told["choices"]:
                yield from map(self._encoded, self._events(choice, told.get("usage") or {}))

    def _failed(self, error: bytes) -> bytes:
        self.has_failed = True
        return error_event(error) if self._is_sse else error + b"\n"

    def _encoded(self, event: Mapping[str, Any]) -> bytes:
        text = to_json(event).encode()
        return b"data:" + text + b"\n\n" if self._is_sse else text + b"\n"

    def _events(self, choice: Mapping[str, Any], usage: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        text = (choice["delta"].get("content") if "delta" in choice else choice["text"]) or ""
        is_last = bool(choice.get("finish_reason"))
        tokens = tokens_of(choice)
        if not tokens and (text or is_last):
            tokens = [{"id": None, "text": text, "logprob": None, "special": False}]
        if is_last:
            mark_end(tokens, finish_reason(choice, self._asked), text)
        _share(text, tokens)
        self._texts.append(text)
        details = self._ended(choice, tokens, usage) if is_last else None
        for number, token in enumerate(tokens, start=1):
            is_end = is_last and number == len(tokens)
            self._count += 1
            yield {
                "index": self._count,
                "token": token,
                "generated_text": "".join((*self._asked.prompts, *self._texts)) if is_end else None,
                "details": details if is_end else None,
            }

    def _ended(
        self, choice: Mapping[str, Any], tokens: list[dict[str, Any]], usage: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        self._is_complete = True
        if not self._asked.has_details:
            return None
        return {
            "finish_reason": finish_reason(choice, self._asked),
            "generated_tokens": usage.get("completion_tokens", self._count + len(tokens)),
            "seed": self._asked.body.get("seed"),
            "input_length": usage.get("prompt_tokens"),
        }


def _share(text: str, tokens: list[dict[str, Any]]) -> None:
    """Give the tokens the text of their event: what a client joins is the answer. A token's own text may differ from
    it, as half of a character does, or what may yet become a stop sequence. Special tokens have none, since clients
    leave them out."""
    for token in tokens:
        token["text"] = "" if token["special"] else token["text"]
    if "".join(token["text"] for token in tokens) == text:
        return
    for token in tokens:
        token["text"] = ""
    holder = next((token for token in reversed(tokens) if not token["special"]), tokens[-1])
    holder |= {"text": text, "special": False}


def not_openais(asked: InputsRequest) -> Failure:
    return Failure(500, f"the answer of {asked.path} is not one of the OpenAI API, and cannot be translated")
